//! What the `kairos` command is made of. `main.rs` reads the command line and calls these.

pub mod local;
