//! Writes what each target begins with: `cargo run --bin corpus` inside of this directory.

use std::{fs, io, path::Path};

use ditto_sync_mesh::fuzzing::samples;

fn main() -> io::Result<()> {
    let samples = samples();
    let messages = samples.messages.iter().map(Vec::as_slice);
    write("frame", [samples.frames.as_slice()])?;
    write("message", messages)?;
    write("handshake", [samples.greeting.as_slice()])?;
    write("ticket", [samples.ticket.as_bytes()])?;
    write("update", [samples.update.as_slice()])?;
    write("snapshot", [samples.snapshot.as_slice()])
}

fn write<'a>(target: &str, samples: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
    let directory = Path::new("corpus").join(target);
    fs::create_dir_all(&directory)?;
    for (number, sample) in samples.into_iter().enumerate() {
        fs::write(directory.join(format!("sample-{number}")), sample)?;
    }
    Ok(())
}
