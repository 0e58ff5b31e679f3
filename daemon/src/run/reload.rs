//! What is looked at again while the daemon runs: every [`super::LOOK_AROUND`] what is around it, and at SIGHUP its
//! configuration. What needs a restart is a column of [`options::TABLE`].

use std::net::{IpAddr, SocketAddr};

use super::{Running, plan};
use crate::event::Event;
use crate::host::config::{Config, Peer, options};
use crate::host::ctl;
use crate::mesh::discovery::Mdns;
use crate::mesh::sources::dns::addresses;
use crate::task::spawn;

impl Running {
    /// Interfaces come and go, and so do the addresses behind names.
    pub(super) fn look_around(&mut self) {
        let now = self.now();
        self.place_pages();
        if self.troubles.contains_key("no_control_socket")
            && let Ok(server) = ctl::Server::bind(&self.config.run_dir)
        {
            spawn(server.serve(self.events.clone()));
            self.trouble("no_control_socket", None);
        }
        if let Err(error) = self.listen() {
            self.trouble("not_listening", Some(error.to_string()));
        }
        self.look_at_certificate();
        self.serve_stun();
        self.serve_turn();
        self.look_at_paths(false);
        self.sources.look_around(&plan::discovery(&self.config, &self.overrides, self.node.id()));
        if let Some(failed) = self.mdns.as_ref().map(Mdns::failed) {
            self.trouble("no_mdns", failed);
        }
        if let Ok(settings) = plan::node(&self.config, self.trusted.clone()) {
            self.node.set_settings(now, settings);
        }
        for Peer { host, port, id } in self.config.peers.iter().cloned() {
            if host.parse::<IpAddr>().is_ok() {
                continue;
            }
            let events = self.events.clone();
            spawn(async move {
                match addresses(&host).await {
                    Ok(found) => {
                        for ip in found.into_iter().take(4) {
                            let address = SocketAddr::new(ip, port);
                            // an error means that the daemon stops
                            let _ = events.send(Event::Candidate { address, id, source: "peer" }).await;
                        }
                    }
                    Err(error) => log::debug!("peer {host}: {error}"),
                }
            });
        }
    }

    /// SIGHUP: takes over what can change while it runs. A configuration with an error changes nothing.
    pub(super) fn reload(&mut self) -> Result<(), String> {
        let loaded = Config::load(&self.overrides).map_err(|error| error.to_string());
        self.trouble("settings", loaded.as_ref().err().cloned());
        let (mut config, warnings) = loaded?;
        for warning in warnings {
            log::warn!("{warning}");
        }
        let waiting = options::keep_until_restart(&self.config, &mut config);
        if !waiting.is_empty() {
            log::warn!("until a restart as before: {}", waiting.join(", "));
        }
        log::set_max_level(config.log_level);
        self.config = config;
        self.renew_certificate();
        self.ice.set_rate(self.config.limits.stun_rate);
        self.answers.set_rate(self.config.limits.stun_rate);
        self.sources.configure(&plan::discovery(&self.config, &self.overrides, self.node.id()));
        self.look_around();
        // the firewall tells of its changes by a reload
        self.look_at_paths(true);
        log::info!("reloaded");
        Ok(())
    }
}
