//! What the router touches: command line, configuration, identity, log, control socket, ubus.

pub mod args;
pub mod config;
pub mod ctl;
pub mod fault;
pub mod identity;
pub mod interfaces;
pub mod log;
pub mod route;
pub mod store;
pub mod ubus;
pub mod uci;
