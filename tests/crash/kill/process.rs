//! A process that can be killed: [`DeviceProcess`].

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use super::device;
use crate::app::Side;

/// The process of a device; killed when dropped.
pub(crate) struct DeviceProcess {
    child: Child,
    log: PathBuf,
}

impl DeviceProcess {
    /// Starts the device of this file. `life` is the seed of its app.
    pub(crate) fn start(side: Side, file: &Path, address: SocketAddr, life: u64) -> Self {
        let log = file.with_extension("log");
        let output = File::create(&log).expect("a file for its output");
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", device::TEST, "--nocapture"])
            .env(device::SIDE, side.name())
            .env(device::FILE, file)
            .env(device::ADDRESS, address.to_string())
            .env(device::LIFE, life.to_string())
            .stdout(output.try_clone().expect("the same file"))
            .stderr(output)
            .spawn()
            .expect("the process starts");
        Self { child, log }
    }

    /// SIGKILL, wherever it is; returns when the process is gone.
    ///
    /// A process that has ended by itself has failed.
    pub(crate) fn kill(mut self) {
        if let Some(status) = self.child.try_wait().expect("the process can be asked") {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("the device ended by itself ({status}): {log}");
        }
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        // A test that fails leaves no process behind; after a kill there is none.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
