//! What the hub is told: [`Options`], from its arguments and, for the secret, from a file or the environment.

use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use data_encoding::HEXLOWER_PERMISSIVE;
use ditto_sync_mesh::{MeshSecret, Ticket};

/// Where the secret may stand instead of in a file.
const SECRET: &str = "DITTO_SYNC_SECRET";

pub(crate) const HELP: &str = "\
Stores and forwards for the devices of a ditto-sync mesh.

  ditto-sync-hub --mesh NAME --dir DIRECTORY [options]

  --mesh NAME           the mesh, as the devices name it
  --dir DIRECTORY       where it keeps everything; of its own, and made if missing
  --name NAME           what devices see it under (default: hub)
  --listen ADDRESS      such as 0.0.0.0:4242; more than once for more (default: all addresses, at a free port)
  --join TICKET         the ticket of a device of the mesh; more than once for more; only needed once
  --secret-file FILE    the secret of the mesh, 64 hexadecimal digits; or the environment variable DITTO_SYNC_SECRET.
                        Without it the hub makes one, or takes it from the ticket
  --ticket-file FILE    writes its own ticket there, readable by its user only: whoever has it can join
  --mdns                announces itself in the local network, and finds devices of the mesh there. Only if built with the feature `mdns`
  --status-every SECONDS   how often it says how it is, beside when a peer comes or goes (default: 60)
  --json                says it as JSON, one object per line

Ctrl-C and SIGTERM end it cleanly.";

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Wish {
    Help,
    Run(Options),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) mesh: String,
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) joins: Vec<Ticket>,
    pub(crate) ticket_file: Option<PathBuf>,
    pub(crate) status_pause: Duration,
    pub(crate) json: bool,
    pub(crate) mdns: bool,
    secret_file: Option<PathBuf>,
}

/// Why the arguments cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("`{0}` is no option: see --help")]
    Unknown(String),
    #[error("`{0}` needs a value: see --help")]
    NoValue(String),
    #[error("`{0}` is missing: see --help")]
    Missing(&'static str),
    #[error("`{value}` cannot be the value of `{option}`")]
    Value {
        option: String,
        value: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`--mdns` was not built in: build the hub with `--features mdns`")]
    NoMdns,
    #[error("the file of the secret cannot be read")]
    File(#[source] std::io::Error),
    #[error("the secret has to be 64 hexadecimal digits")]
    Secret,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Wish, OptionError> {
        let mut arguments = arguments.into_iter();
        let (mut mesh, mut directory) = (None, None);
        let mut options = Self {
            mesh: String::new(),
            directory: PathBuf::new(),
            name: "hub".to_owned(),
            listen: Vec::new(),
            joins: Vec::new(),
            ticket_file: None,
            status_pause: Duration::from_secs(60),
            json: false,
            mdns: false,
            secret_file: None,
        };
        while let Some(option) = arguments.next() {
            match option.as_str() {
                "--help" | "-h" => return Ok(Wish::Help),
                "--json" => {
                    options.json = true;
                    continue;
                }
                "--mdns" if cfg!(feature = "mdns") => {
                    options.mdns = true;
                    continue;
                }
                "--mdns" => return Err(OptionError::NoMdns),
                _ if !option.starts_with("--") => return Err(OptionError::Unknown(option)),
                _ => {}
            }
            let Some(value) = arguments.next() else {
                return Err(OptionError::NoValue(option));
            };
            match option.as_str() {
                "--mesh" => mesh = Some(value),
                "--dir" => directory = Some(PathBuf::from(value)),
                "--name" => options.name = value,
                "--listen" => options.listen.push(parsed(&option, &value)?),
                "--join" => options.joins.push(parsed(&option, &value)?),
                "--secret-file" => options.secret_file = Some(value.into()),
                "--ticket-file" => options.ticket_file = Some(value.into()),
                "--status-every" => options.status_pause = Duration::from_secs(parsed(&option, &value)?),
                _ => return Err(OptionError::Unknown(option)),
            }
        }
        options.mesh = mesh.ok_or(OptionError::Missing("--mesh"))?;
        options.directory = directory.ok_or(OptionError::Missing("--dir"))?;
        Ok(Wish::Run(options))
    }

    pub(crate) fn secret(&self) -> Result<Option<MeshSecret>, OptionError> {
        let text = match &self.secret_file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(OptionError::File)?),
            None => std::env::var(SECRET).ok(),
        };
        text.map(|text| secret_of(&text)).transpose()
    }
}

fn secret_of(text: &str) -> Result<MeshSecret, OptionError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes());
    let bytes = bytes.map_err(|_| OptionError::Secret)?;
    let bytes = bytes.try_into().map_err(|_| OptionError::Secret)?;
    Ok(MeshSecret::from_bytes(bytes))
}

fn parsed<T: std::str::FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>>(
    option: &str,
    value: &str,
) -> Result<T, OptionError> {
    value.parse().map_err(|error: T::Err| OptionError::Value {
        option: option.to_owned(),
        value: value.to_owned(),
        source: error.into(),
    })
}

/// Writes a file that only its user may read.
pub(crate) fn write_private(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    let mut how = std::fs::OpenOptions::new();
    how.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        how.mode(0o600);
        if file.exists() {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
        }
    }
    how.open(file)?.write_all(format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Wish, OptionError> {
        Options::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (arguments, named) in [
            ("--dir d", "--mesh"),
            ("--mesh m", "--dir"),
            ("--mesh m --dir", "--dir"),
            ("--mesh m --dir d --lissen 1", "--lissen"),
            ("--mesh m --dir d --listen 1", "`1`"),
            ("--mesh m --dir d --join mesh1", "`mesh1`"),
            ("mesh", "`mesh`"),
        ] {
            let error = parse(arguments).expect_err(arguments).to_string();
            assert!(error.contains(named), "{arguments}: {error}");
        }
    }

    #[test]
    fn every_option_arrives() {
        let all = "--json --mesh m --dir d --name n --listen 127.0.0.1:1 --listen [::1]:2 --status-every 5 --ticket-file t";
        let Ok(Wish::Run(options)) = parse(all) else {
            panic!("they can be read");
        };
        assert_eq!((&*options.mesh, &*options.name, options.json), ("m", "n", true));
        assert_eq!(options.listen.len(), 2);
        assert_eq!(options.status_pause, Duration::from_secs(5));
        assert!(matches!(parse("--mesh m -h"), Err(_) | Ok(Wish::Help)));
    }

    #[test]
    fn multicast_is_asked_for_or_was_not_built_in() {
        let parsed = parse("--mesh m --dir d --mdns");
        #[cfg(feature = "mdns")]
        assert!(matches!(parsed, Ok(Wish::Run(options)) if options.mdns));
        #[cfg(not(feature = "mdns"))]
        assert!(matches!(parsed, Err(OptionError::NoMdns)));
    }

    #[test]
    fn a_secret_is_hexadecimal_and_whole() {
        let whole = "0A".repeat(32);
        assert_eq!(
            secret_of(&format!("{whole}\n")).expect("it is whole").to_bytes(),
            [10; 32]
        );
        for wrong in ["", "0a", &whole[1..], &"xy".repeat(32)] {
            assert!(matches!(secret_of(wrong), Err(OptionError::Secret)), "{wrong}");
        }
    }
}
