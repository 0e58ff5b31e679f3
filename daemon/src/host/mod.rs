//! What the router touches: command line, configuration, identity, log, control socket, ubus.

pub mod args;
pub mod config;
pub mod ctl;
pub mod fault;
pub mod identity;
pub mod interfaces;
pub mod log;
pub mod look;
pub mod memory;
pub mod route;
pub mod store;
#[cfg(target_env = "musl")]
mod thread_name;
pub mod ubus;
pub mod uci;
