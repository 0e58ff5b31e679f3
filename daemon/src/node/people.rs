//! Accounts and attachments: signing in, display names.

use truca_core::Time;
use truca_core::directory::record::{AccountBody, Attachment, Proven, Status, verify};
use truca_core::id::DeviceId;
use truca_core::name::{Address, Display, Name};
use truca_core::signal::call::SessionId;
use truca_core::wire::bytes::Challenge;
use truca_core::wire::node::Device;
use truca_core::wire::page::request::{Account as Request, SignIn};
use truca_core::wire::page::{Code, Failure};

use super::ground::Ground;
use super::who::Signed;

/// Checks a sign-in, and creates the account when its name is free at this node.
pub(super) fn sign_in(
    ground: &mut Ground,
    now: Time,
    request: &SignIn,
    challenge: &Challenge,
) -> Result<Signed, Failure> {
    let fail = |code, message: &str| Failure::new(0, code, message);
    let name: Name = request.name.parse().map_err(|e| fail(Code::BadName, &format!("{e}")))?;
    let display: Display = request.display.parse().map_err(|e| fail(Code::BadDisplay, &format!("{e}")))?;
    let address = Address { home: request.home.unwrap_or(ground.id), name };
    let device = DeviceId::of_point(&request.key.0);

    if ground.bans.refuses_sign_in(&address) {
        return Err(fail(Code::Banned, "this account is kept out of this node"));
    }
    ground.directory.check_person(&address);
    let known = ground.directory.account(&address).map(|account| account.body.clone());
    let claimed = known.as_ref().is_some_and(|a| a.devices.is_empty()) && address.home == ground.id;
    match &known {
        Some(account) if account.devices.contains(&device) => {}
        Some(_) if claimed => {}
        Some(_) => {
            let mut taken =
                fail(Code::NameTaken, &format!("{} is taken at {}", address.name, ground.settings.name));
            taken.suggest = free_name(ground, &address.name);
            return Err(taken);
        }
        None if address.home != ground.id => {
            return Err(fail(Code::NoSuchPerson, "nobody has this address"));
        }
        None if ground.directory.accounts_of(ground.id).count() >= ground.settings.max_accounts => {
            return Err(fail(Code::Full, "this node has as many accounts as it may"));
        }
        None => {}
    }
    let own = Device { address: address.clone(), device };
    if ground.who.session_of(&own).is_none()
        && (ground.who.len() >= ground.settings.max_sessions
            || ground.who.of_account(&address).count() >= ground.settings.max_sessions_per_account)
    {
        // said before an account is made that could not be used
        return Err(fail(Code::Full, "this node has as many people as it can carry"));
    }
    let counter = request.attachment.counter;
    let last = ground.directory.attachment(&address, device).map_or(0, |attachment| attachment.counter);
    if counter <= last || counter == u32::MAX {
        let mut stale = fail(Code::StaleCounter, "a newer attachment of this device is known");
        stale.counter = Some(last);
        return Err(stale);
    }

    let text = format!("truca-sign-in-1\n{}\n{challenge}\n{address}\n", ground.id);
    if !verify(&request.key, text.as_bytes(), &request.signature) {
        return Err(fail(Code::BadSignature, "the sign-in does not verify"));
    }
    let attachment = |counter, status, signature| Attachment {
        address: address.clone(),
        point: request.key,
        node: ground.id,
        boot: ground.own.boot(),
        counter,
        status,
        signature,
    };
    let here = Proven::check(attachment(counter, Status::Here, request.attachment.here));
    let gone = Proven::check(attachment(counter + 1, Status::Gone, request.attachment.gone));
    let (Ok(here), Ok(gone)) = (here, gone) else {
        return Err(fail(Code::BadSignature, "the attachment does not verify"));
    };

    if let Some(mut body) = known.clone().filter(|_| claimed) {
        body.devices = vec![device];
        body.counter += 1;
        ground.publish_account(now, body);
        log::info!("an account whose devices were reset has one again");
    }
    let created = known.is_none();
    let display = known.map_or(display, |account| account.display);
    if created {
        let body = AccountBody {
            home: ground.id,
            name: address.name.clone(),
            display: display.clone(),
            devices: vec![device],
            counter: ground.counter_of(&address) + 1,
            flags: 0,
        };
        if !ground.publish_account(now, body) {
            return Err(fail(Code::Full, "the directory is full"));
        }
        ground.own.saving.made(address.clone());
        log::debug!("the new account is {address}");
    }
    Ok(Signed { own, display, created, here, gone })
}

/// What a session asks of its account.
pub(super) fn request(
    ground: &mut Ground,
    now: Time,
    session: SessionId,
    request: Request,
) -> Result<(), Failure> {
    match request {
        Request::Profile { display } => profile(ground, now, session, &display),
    }
}

/// Changes the display name of a session's account.
fn profile(ground: &mut Ground, now: Time, session: SessionId, display: &str) -> Result<(), Failure> {
    let display: Display = display.parse().map_err(|e| Failure::new(0, Code::BadDisplay, format!("{e}")))?;
    let Some(address) = ground.who.address(session).cloned() else { return Ok(()) };
    let account = ground.directory.account(&address).filter(|_| address.home == ground.id);
    let Some(mut body) = account.map(|account| account.body.clone()) else {
        return Err(Failure::new(0, Code::NotHome, "only the home node can change this"));
    };
    if body.display != display {
        body.display = display;
        body.counter = body.counter.wrapping_add(1);
        ground.publish_account(now, body);
    }
    Ok(())
}

/// A free name like the one that was wanted.
fn free_name(ground: &Ground, wanted: &Name) -> Option<String> {
    let stem: String = wanted.as_str().chars().take(truca_core::name::MAX_NAME - 2).collect();
    (2..100).map(|n| format!("{stem}{n}")).find(|text| {
        let free = |name| ground.directory.account(&Address { home: ground.id, name }).is_none();
        text.parse().is_ok_and(free)
    })
}
