//! Whole apps on the embedded mesh, in processes of their own that meet over QUIC on loopback.

mod process;
mod till;
