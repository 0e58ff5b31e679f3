//! What pages look at: people who match a search, told together when something has changed.

use truca_core::Time;
use truca_core::directory::window::{Everybody, Window};
use truca_core::id::NodeId;
use truca_core::signal::call::SessionId;
use truca_core::wire::page::{Code, Failure, Notice};

use super::super::ground::{Ground, text};
use super::super::said::Happened;
use super::Pages;

impl Pages {
    /// A page looks at something else.
    pub(super) fn watch(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        id: u32,
        (text, limit): (&str, u16),
    ) -> Result<(), Failure> {
        let Some(attached) = self.sessions.get_mut(&session) else { return Ok(()) };
        let Some(window) = Window::new(id, text, limit) else {
            return Err(Failure::new(id, Code::TooLong, "a search has at most 48 characters"));
        };
        attached.window = Some(window);
        if let Some(page) = attached.page {
            ground.tell(page, &Notice::Ok { id });
        }
        self.update(ground, now, Some(session));
        Ok(())
    }

    /// Tells one session, or all, what is new in what they look at.
    pub(in super::super) fn update(&mut self, ground: &mut Ground, now: Time, only: Option<SessionId>) {
        let of_interest = |session: SessionId| only.is_none_or(|only| only == session);
        let open = || self.sessions.iter().filter(|(id, at)| at.page.is_some() && of_interest(**id));
        if open().next().is_none() {
            return;
        }
        let watched = open().any(|(_, attached)| attached.window.is_some());
        let alive_count = ground.alive.len() as u32;
        let Ground { directory, gossip, alive: members, outputs, .. } = &mut *ground;
        let alive = |id: &NodeId| members.contains(id);
        let everybody = watched.then(|| Everybody::gather(directory, alive));
        let mut unchecked = Vec::new();
        for (session, attached) in &mut self.sessions {
            let Some(page) = attached.page.filter(|_| of_interest(*session)) else { continue };
            if attached.nodes != alive_count {
                attached.nodes = alive_count;
                outputs.push_back(text(page, &Notice::Nodes { alive: alive_count }));
            }
            if let Some((window, everybody)) = attached.window.as_mut().zip(everybody.as_ref()) {
                let quality = |id: &NodeId| gossip.quality(*id);
                let news = window.update(everybody, &attached.own.address, alive, quality);
                outputs.extend(news.iter().map(|notice| text(page, notice)));
                unchecked.extend(window.unchecked());
            }
        }
        unchecked.into_iter().for_each(|address| ground.happened(Happened::Wanted(address)));
        self.look_at_windows(ground, now);
    }

    /// The ways to the nodes of people whom somebody sees are measured.
    pub(super) fn look_at_windows(&self, ground: &mut Ground, now: Time) {
        let windows = self.sessions.values().filter_map(|attached| attached.window.as_ref());
        let at = windows.flat_map(|window| window.at().iter().copied());
        let (own, alive) = (ground.id, &ground.alive);
        ground.gossip.look_at(now, at.filter(|id| *id != own && alive.contains(id)));
    }
}
