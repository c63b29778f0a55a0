//! A peer without an app: keeps every collection of its mesh and hands it on, for devices that are seldom online together. It needs no models: documents are
//! stored and forwarded as they are.
//!
//! `ditto-sync-hub --help` lists the options.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the command line"
)]

mod options;
mod status;

use std::{error::Error, process::ExitCode, time::Duration};

use ditto_sync_mesh::MeshStore;

use self::{
    options::{HELP, Options, Wish},
    status::Status,
};

/// How often it looks whether a peer has come or gone.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Options::parse(std::env::args().skip(1)) {
        Ok(Wish::Help) => {
            println!("{HELP}");
            Ok(())
        }
        Ok(Wish::Run(options)) => run(&options).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ditto-sync-hub: {}", explained(&*error));
            ExitCode::FAILURE
        }
    }
}

/// With its causes, which errors do not repeat.
fn explained(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn run(options: &Options) -> Outcome<()> {
    let mut builder = MeshStore::builder(&options.mesh)
        .directory(&options.directory)
        .name(&options.name);
    for address in &options.listen {
        builder = builder.listen(*address);
    }
    if let Some(secret) = options.secret()? {
        builder = builder.secret(secret);
    }
    #[cfg(feature = "mdns")]
    if options.mdns {
        builder = builder.mdns();
    }
    let store = builder.open().await?;
    let served = serve(&store, options).await;
    // After an error too, so that peers do not have to wait for a time-out.
    store.close().await;
    served?;
    println!("{}", Status::closed(options.json));
    Ok(())
}

async fn serve(store: &MeshStore, options: &Options) -> Outcome<()> {
    for ticket in &options.joins {
        store.join(ticket).await?;
    }
    if let Some(file) = &options.ticket_file {
        options::write_private(file, &store.ticket().await?.to_string())?;
    }
    let mut stop = std::pin::pin!(stopped());
    let mut looks = tokio::time::interval(LOOK_PAUSE);
    let mut told: Option<(Status, tokio::time::Instant)> = None;
    loop {
        tokio::select! {
            outcome = &mut stop => return Ok(outcome?),
            _ = looks.tick() => {}
        }
        let status = Status::of(store);
        let is_due = |(before, at): &(Status, tokio::time::Instant)| {
            before.has_other_peers(&status) || at.elapsed() >= options.status_pause
        };
        if told.as_ref().is_none_or(is_due) {
            println!("{}", status.shown(options.json));
            told = Some((status, tokio::time::Instant::now()));
        }
    }
}

/// Returns at Ctrl-C, and where there is one at SIGTERM.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
