//! Accounts and attachments: signing in, display names, and what relaying a page is granted.

use std::net::{IpAddr, SocketAddr};

use truca_core::Time;
use truca_core::directory::record::{Account, AccountBody, Attachment, Record, Status, verify};
use truca_core::id::DeviceId;
use truca_core::name::{Address, Display, Name};
use truca_core::signal::call::SessionId;
use truca_core::wire::bytes::{Bytes, Challenge};
use truca_core::wire::node::Device;
use truca_core::wire::page::{Code, Failure, IceServer, SignIn};

use super::Node;

/// What signing in has established.
pub(super) struct Signed {
    pub(super) own: Device,
    pub(super) display: Display,
    pub(super) created: bool,
    /// The encoded attachment to publish now.
    pub(super) here: Vec<u8>,
    /// The attachment to publish when the session ends.
    pub(super) gone: Attachment,
}

impl Node {
    /// Checks a sign-in, and creates the account when its name is free at this node.
    pub(super) fn check_sign_in(
        &mut self,
        now: Time,
        request: &SignIn,
        challenge: &Challenge,
    ) -> Result<Signed, Failure> {
        let fail = |code, message: &str| Failure::new(request.id, code, message);
        let name: Name = request.name.parse().map_err(|e| fail(Code::BadName, &format!("{e}")))?;
        let display: Display =
            request.display.parse().map_err(|e| fail(Code::BadDisplay, &format!("{e}")))?;
        let address = Address { home: request.home.unwrap_or(self.id), name };
        let device = DeviceId::of_point(&request.key.0);

        if self.owner.refuses_sign_in(&address) {
            return Err(fail(Code::Banned, "this account is kept out of this node"));
        }
        self.directory.check_person(&address);
        let known = self.directory.account(&address).map(|account| account.body.clone());
        let claimed = known.as_ref().is_some_and(|a| a.devices.is_empty()) && address.home == self.id;
        match &known {
            Some(account) if account.devices.contains(&device) => {}
            Some(_) if claimed => {}
            Some(_) => {
                let mut taken =
                    fail(Code::NameTaken, &format!("{} is taken at {}", address.name, self.settings.name));
                taken.suggest = self.free_name(&address.name);
                return Err(taken);
            }
            None if address.home != self.id => {
                return Err(fail(Code::NoSuchPerson, "nobody has this address"));
            }
            None if self.directory.accounts_of(self.id).count() >= self.settings.max_accounts => {
                return Err(fail(Code::Full, "this node has as many accounts as it may"));
            }
            None => {}
        }
        let own = Device { address: address.clone(), device };
        if self.pages.session_of(&own).is_none()
            && (self.pages.sessions.len() >= self.settings.max_sessions
                || self.pages.of_account(&address) >= self.settings.max_sessions_per_account)
        {
            // said before an account is made that could not be used
            return Err(fail(Code::Full, "this node has as many people as it can carry"));
        }
        let counter = request.attachment.counter;
        let last = self.directory.attachment(&address, device).map_or(0, |attachment| attachment.counter);
        if counter <= last || counter == u32::MAX {
            let mut stale = fail(Code::StaleCounter, "a newer attachment of this device is known");
            stale.counter = Some(last);
            return Err(stale);
        }

        let text = format!("truca-sign-in-1\n{}\n{challenge}\n{address}\n", self.id);
        if !verify(&request.key, text.as_bytes(), &request.signature) {
            return Err(fail(Code::BadSignature, "the sign-in does not verify"));
        }
        let attachment = |counter, status, signature| Attachment {
            address: address.clone(),
            point: request.key,
            node: self.id,
            boot: self.record.body.boot,
            counter,
            status,
            signature,
        };
        let here = attachment(counter, Status::Here, request.attachment.here);
        let gone = attachment(counter + 1, Status::Gone, request.attachment.gone);
        if here.verify().is_err() || gone.verify().is_err() {
            return Err(fail(Code::BadSignature, "the attachment does not verify"));
        }

        if let Some(mut body) = known.clone().filter(|_| claimed) {
            body.devices = vec![device];
            body.counter += 1;
            self.publish_account(now, body);
            log::info!("an account whose devices were reset has one again");
        }
        let created = known.is_none();
        let display = known.map_or(display, |account| account.display);
        if created {
            let body = AccountBody {
                home: self.id,
                name: address.name.clone(),
                display: display.clone(),
                devices: vec![device],
                counter: self.counter_of(&address) + 1,
                flags: 0,
            };
            if !self.publish_account(now, body) {
                return Err(fail(Code::Full, "the directory is full"));
            }
            log::info!("a new account was made");
            log::debug!("the new account is {address}");
        }
        Ok(Signed { own, display, created, here: Record::Attachment(here).encode(), gone })
    }

    /// Changes the display name of a session's account.
    pub(super) fn on_profile(&mut self, now: Time, session: SessionId, display: &str) -> Result<(), Failure> {
        let display: Display =
            display.parse().map_err(|e| Failure::new(0, Code::BadDisplay, format!("{e}")))?;
        let Some(attached) = self.pages.sessions.get(&session) else { return Ok(()) };
        let address = attached.own.address.clone();
        let account = self.directory.account(&address).filter(|_| address.home == self.id);
        let Some(mut body) = account.map(|account| account.body.clone()) else {
            return Err(Failure::new(0, Code::NotHome, "only the home node can change this"));
        };
        if body.display != display {
            body.display = display;
            body.counter = body.counter.wrapping_add(1);
            self.publish_account(now, body);
        }
        Ok(())
    }

    /// Signs and publishes an account of this home. Whether the directory took it.
    pub(super) fn publish_account(&mut self, now: Time, body: AccountBody) -> bool {
        let signature = Bytes(self.keys.sign(&Account::to_sign(&body)));
        let encoded = Record::Account(Account { body, signature }).encode();
        self.learn(now, &encoded)
    }

    /// The counter of what is known of an account, deleted or not.
    pub(super) fn counter_of(&self, address: &Address) -> u32 {
        self.directory.account_record(address).map_or(0, |account| account.body.counter)
    }

    /// A free name like the one that was wanted.
    fn free_name(&self, wanted: &Name) -> Option<String> {
        let stem: String = wanted.as_str().chars().take(truca_core::name::MAX_NAME - 2).collect();
        (2..100).map(|n| format!("{stem}{n}")).find(|text| {
            let free = |name| self.directory.account(&Address { home: self.id, name }).is_none();
            text.parse().is_ok_and(free)
        })
    }

    /// Our own STUN and TURN, for a page that reached us at `local`.
    pub(super) fn own_stun(&self, local: IpAddr) -> Option<SocketAddr> {
        (self.settings.stun_port > 0).then(|| SocketAddr::new(local, self.settings.stun_port))
    }

    /// These, and our own TURN with what this session is granted.
    pub(super) fn ice_for(
        &self,
        stun: &[SocketAddr],
        local: IpAddr,
        session: SessionId,
        account: &Address,
    ) -> Vec<IceServer> {
        let server = |urls, username, credential| IceServer { urls, username, credential };
        let mut servers: Vec<IceServer> =
            stun.iter().map(|at| server(vec![format!("stun:{at}")], None, None)).collect();
        if let (Some(own), Some(secrets)) = (self.own_stun(local), &self.turn) {
            // stands for the account in the quota: who could choose it would share somebody else's
            let hash = ring::digest::digest(&ring::digest::SHA256, account.to_string().as_bytes());
            let tag = hash.as_ref().iter().take(8).fold(0, |tag, byte| tag << 8 | u64::from(*byte));
            let (user, password) = secrets.grant(session.0, tag);
            let mut urls = ["udp", "tcp"].map(|by| format!("turn:{own}?transport={by}")).to_vec();
            // a browser asks nobody whether to trust a certificate here
            let trusted = self.settings.trusted.as_ref();
            urls.extend(trusted.map(|host| format!("turns:{host}:{}?transport=tcp", self.settings.port)));
            servers.push(server(urls, Some(user), Some(password)));
        }
        servers
    }
}
