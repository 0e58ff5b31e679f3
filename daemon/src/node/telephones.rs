//! Which telephones of an account would ring now. There are at most as many as an account has devices.

use truca_core::directory::window::node_info;
use truca_core::signal::call::SessionId;
use truca_core::wire::page::request::Telephones as Request;
use truca_core::wire::page::{Notice, Telephone};

use super::ground::Ground;

/// What a session asks of its account's telephones.
pub(super) fn request(ground: &Ground, session: SessionId, id: u32, request: &Request) -> Option<Notice> {
    let address = ground.who.address(session)?;
    match request {
        Request::Here {} => {
            let alive = |id: &truca_core::id::NodeId| ground.alive.contains(id);
            let here = ground.directory.here(address, alive).map(|attachment| Telephone {
                device: attachment.device(),
                at: node_info(&ground.directory, attachment.node, alive),
            });
            Some(Notice::Telephones { id, here: here.collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use truca_core::Time;
    use truca_core::directory::record::{Attachment, Record, Status};
    use truca_core::id::DeviceId;
    use truca_core::name::Address;
    use truca_core::wire::bytes::Bytes;

    use crate::event::{PageId, PageOut};
    use crate::fuzz::bench::{BenchKeys, OTHER, OWN, address, drain, id, node, node_record, sign_in};
    use crate::node::{Keys, Node, Output};

    const NOW: Time = Time::ZERO;

    /// What a page is answered when it asks.
    fn asked(node: &mut Node, page: PageId, number: u32) -> Value {
        drain(node);
        node.page_text(NOW, page, &format!(r#"{{"telephones":{{"id":{number}}}}}"#));
        let told = drain(node).into_iter().find_map(|output| match output {
            Output::Page(at, PageOut::Text(text)) if at == page => serde_json::from_str(&text).ok(),
            _ => None,
        });
        told.expect("an answer")
    }

    /// The names of the nodes at which telephones are.
    fn at(node: &mut Node, page: PageId, number: u32) -> Vec<String> {
        let answer = asked(node, page, number)["telephones"].take();
        assert_eq!(answer["id"], number);
        let here = answer["here"].as_array().expect("a list").iter();
        here.map(|one| one["at"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    #[test]
    fn a_page_is_told_which_telephones_of_its_account_are_here_and_where() {
        let mut node = node();
        let page = sign_in(&mut node, 0);
        sign_in(&mut node, 1);
        assert_eq!(at(&mut node, page, 2), ["own"], "its own, and nobody else's");

        // the account gets a second device, which is attached to another node
        let nuria: Address = format!("nuria@{}", id(OWN)).parse().expect("an address");
        let keys = BenchKeys(4);
        let mut body = node.ground.directory.account(&nuria).expect("an account").body.clone();
        body.devices.push(DeviceId::of_point(&keys.point()));
        body.counter += 1;
        assert!(node.ground.publish_account(NOW, body));
        assert!(node.ground.learn(NOW, &node_record(OTHER, 1)));
        let text = Attachment::to_sign(&nuria, id(OTHER), 1, 1, Status::Here);
        let attachment = Attachment {
            address: nuria,
            point: Bytes(keys.point()),
            node: id(OTHER),
            boot: 1,
            counter: 1,
            status: Status::Here,
            signature: Bytes(keys.sign(text.as_bytes())),
        };
        assert!(node.ground.learn(NOW, &Record::Attachment(attachment).encode()));
        assert_eq!(at(&mut node, page, 3), ["own"], "that node is no member");
        node.ground.alive.insert(id(OTHER));
        let mut found = at(&mut node, page, 4);
        found.sort();
        assert_eq!(found, ["other", "own"]);
    }

    #[test]
    fn who_has_not_signed_in_is_told_of_no_telephone() {
        let mut node = node();
        let stranger = PageId(9);
        node.page_opened(stranger, address(OTHER), address(OWN));
        assert_eq!(asked(&mut node, stranger, 1)["error"]["code"], "not_signed_in");
    }
}
