//! What visitors of a node do, whatever machine it runs on: load the page, find each other, talk.
//!
//! The tests of router builds (`tests/tests/cross.rs`) and of whole routers (`tests/router`) share it.

// What does not hold fails the test that asked
#![allow(clippy::missing_panics_doc)]

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Result,
    page::{self, PATIENCE, Page},
};

/// What a browser gets: the head and the body.
pub async fn get(node: SocketAddr, path: &str) -> Result<(String, Vec<u8>)> {
    let stream = TcpStream::connect(node).await?;
    let mut stream = page::connector()?.connect(node.ip().into(), stream).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await??;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")? + 4;
    let body = bytes.split_off(end);
    Ok((String::from_utf8(bytes)?, body))
}

/// A call from the first to the second with something of every kind in it, ended by the second.
pub async fn converse(caller: &mut Page, callee: &mut Page) -> Result {
    let call = caller.invite(&callee.address, "video").await?;
    let incoming = callee.event_where("incoming", |incoming| incoming["call"] == call.as_str()).await?;
    assert_eq!(incoming["from"]["address"], caller.address.as_str());
    assert_eq!(incoming["from"]["key"], caller.device.key());
    callee.check("offer", &incoming)?;
    caller.event("ringing").await?;
    callee.accept(&call, "video").await?;
    let accepted = caller.event("accepted").await?;
    assert_eq!(accepted["by"]["device"], callee.device.id());
    caller.check("answer", &accepted)?;
    exchange(caller, callee, &call).await?;
    exchange(callee, caller, &call).await?;
    callee.ask("hang_up", json!({ "call": call, "reason": "hung_up" })).await?;
    assert_eq!(caller.event("ended").await?["reason"], "hung_up");
    assert_eq!(callee.event("ended").await?["reason"], "hung_up");
    Ok(())
}

/// Waits until the page sees this person attached at `node`.
pub async fn sees(page: &mut Page, person: &Page) -> Result {
    let is_here =
        |one: &Value| one["address"] == person.address.as_str() && one["at"][0]["id"] == person.node.as_str();
    page.ask("watch", json!({ "text": "", "limit": 100 })).await?;
    let here = |people: &Value| people["people"].as_array().is_some_and(|all| all.iter().any(is_here));
    page.event_where("people", here).await?;
    Ok(())
}

/// An SDP in which whatever sits between two pages might want to tidy up.
const STRANGE: &str = concat!(
    "v=0\r\n o=- 1 1 IN IP4 0.0.0.0  \r\n\r\ns=\u{feff}Nu\u{301}ria\u{a0}\n\ns=N\u{fa}ria\r\r\n\ta=x:\u{0}\u{1}\u{1b}\u{7f}",
    "\u{85}\u{2028}\u{ffff}\u{10ffff}\u{1f4de}\n a=\\u0041\\n\\/\"'<>&\r\na=fingerprint:sha-256 aB\r\nA=b\r\n\r\n  \n",
);

/// What one page of a call sends the other.
async fn exchange(from: &mut Page, to: &mut Page, call: &str) -> Result {
    let candidate = "candidate:1 1 udp 2122260223 10.13.1.100 50000 typ host";
    let fields = json!({ "call": call, "candidate": candidate, "mid": "0", "mline": 0 });
    from.ask("candidate", fields).await?;
    assert_eq!(to.event("candidate").await?["candidate"], candidate);
    from.ask("connected", json!({ "call": call })).await?;
    to.event("connected").await?;
    from.ask("message", json!({ "call": call, "text": "Bon dia, Núria!" })).await?;
    assert_eq!(to.event("message").await?["text"], "Bon dia, Núria!");
    // not a byte of it is another one at the other end, or its signature would not be right
    for kind in ["offer", "answer"] {
        let mut offer = from.described_as(call, kind, "video", STRANGE)?;
        offer["kind"] = kind.into();
        from.ask("describe", offer).await?;
        let describe = to.event("describe").await?;
        assert_eq!(describe["sdp"], STRANGE);
        to.check(kind, &describe)?;
        assert!(to.check(kind, &describe).is_err(), "a number counts once");
    }
    Ok(())
}
