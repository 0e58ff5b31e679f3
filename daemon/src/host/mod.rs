//! What the router touches: command line, configuration, identity, log, control socket.

pub mod identity;
