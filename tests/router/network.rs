//! The wire between the boxes, and the machine that the test is on it: a bridge in the test's own network namespace.

use std::{net::Ipv4Addr, process::Command};

use truca_tests::Result;

/// This machine on the wire.
pub(crate) const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Plugs in a bridge of ours, and a tap for each of these boxes.
pub(crate) fn plug(boxes: &[&str]) -> Result {
    ip("link add wire type bridge")?;
    ip(&format!("addr add {HERE}/16 dev wire"))?;
    ip("link set wire up")?;
    for name in boxes {
        ip(&format!("tuntap add dev {name} mode tap"))?;
        ip(&format!("link set {name} master wire up"))?;
    }
    Ok(())
}

/// Gives this machine one more address for each of so many telephones: a node bounds what comes from one.
pub(crate) fn telephones(count: u8) -> Result<Vec<Ipv4Addr>> {
    let all: Vec<Ipv4Addr> = (1..=count).map(|number| Ipv4Addr::new(10, 77, 1, number)).collect();
    for address in &all {
        ip(&format!("addr add {address}/16 dev wire"))?;
    }
    Ok(all)
}

fn ip(arguments: &str) -> Result {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
