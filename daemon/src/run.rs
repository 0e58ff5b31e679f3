//! Runs the daemon: opens what the configuration says, and closes it at SIGTERM.
//!
//! Called by `main`, once. So far it drives STUN and the control socket only.

use std::{net::SocketAddr, process::ExitCode, rc::Rc};

use serde_json::{Map, Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::{self, LocalSet},
};

use crate::{
    event::{EVENT_QUEUE, Event},
    host::{config::Config, ctl},
    mesh::stun,
};

/// Runs until SIGTERM or SIGINT.
#[allow(clippy::needless_pass_by_value)]
pub fn run(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match LocalSet::new().block_on(&runtime, serve(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (events, mut inbox) = mpsc::channel(EVENT_QUEUE);
    task::spawn_local(ctl::Server::bind(&config.run_dir)?.serve(events));
    let counters = stun::SharedCounters::default();
    let mut addresses = Vec::new();
    for ip in config.listen.iter().filter(|_| config.stun_port != 0) {
        let address = SocketAddr::new(*ip, config.stun_port);
        match stun::bind(address) {
            Ok(socket) => {
                addresses.push(address.to_string());
                task::spawn_local(stun::serve(socket, Rc::clone(&counters)));
            }
            Err(error) => log::warn!("no STUN on {address}: {error}"),
        }
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            Some(event) = inbox.recv() => {
                if let Event::Ctl { command, reply } = event {
                    let _ = reply.send(match command.as_str() {
                        "stun" => Some(json!({"addresses": addresses, "counters": shown(&counters)})),
                        "status" => Some(json!({"version": env!("CARGO_PKG_VERSION"), "counters": {}})),
                        _ => None,
                    });
                }
            }
        }
    }
}

fn shown(counters: &stun::SharedCounters) -> Map<String, Value> {
    counters.get().each().iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect()
}
