//! Whole apps on the embedded mesh, in processes of their own that meet over QUIC on loopback.

mod branches;
mod device;
mod kill;
mod process;
mod till;
mod told;
