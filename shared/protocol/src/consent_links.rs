//! What stands in the links by which people say what they want to get: who, on which channel, at which address, and by which
//! message they were asked.
//!
//! ```text
//! payload = channel (1 byte) ‖ user key (16) ‖ address key (16) ‖ delivery id (16)
//! ```
//!
//! Whoever has such a link has the message that it came with, and so the address: that is what makes it a proof. Nothing in
//! it says who it is.

use kairos_engine::identifiers::{AddressKey, DeliveryId, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;

use crate::signed_links::{LinkKey, Purpose};

/// The path below which each kind of link leads to the preferences function.
pub const PATHS: [(Purpose, &str); 3] =
    [(Purpose::Unsubscribe, "u"), (Purpose::Preferences, "p"), (Purpose::Confirm, "c")];

/// Who is asked, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentLink {
    /// Who.
    pub user: UserKey,
    /// On which channel the link was sent.
    pub channel: Channel,
    /// To which address.
    pub address: AddressKey,
    /// With which message.
    pub delivery: DeliveryId,
}

const PAYLOAD_BYTES: usize = 1 + 3 * 16;

/// The number of a channel in links. Never changes: messages that were sent carry it.
const fn number(channel: Channel) -> u8 {
    match channel {
        Channel::Email => 0,
        Channel::Sms => 1,
        Channel::Webhook => 2,
        Channel::Telegram => 3,
        Channel::Viber => 4,
        Channel::Whatsapp => 5,
        Channel::OnSite => 6,
        Channel::WebPush => 7,
        Channel::MobilePush => 8,
    }
}

impl ConsentLink {
    /// The link of a message.
    pub fn of(order: &DeliveryOrder) -> Self {
        let address = AddressKey::of(order.channel, &order.address);
        Self { user: order.user, channel: order.channel, address, delivery: order.delivery }
    }

    /// The bytes that a token carries.
    pub fn payload(&self) -> Vec<u8> {
        let (user, address, delivery) = (self.user.as_bytes(), self.address.as_bytes(), self.delivery.as_bytes());
        [&[number(self.channel)][..], user, address, delivery].concat()
    }

    /// Reads what a token of ours carries; nothing when an older or newer version has written something else.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; PAYLOAD_BYTES] = payload.try_into().ok()?;
        let id = |index: usize| <[u8; 16]>::try_from(&payload[1 + 16 * index..17 + 16 * index]).ok();
        Some(Self {
            channel: Channel::ALL.into_iter().find(|channel| number(*channel) == payload[0])?,
            user: UserKey::from_bytes(id(0)?),
            address: AddressKey::from_bytes(id(1)?),
            delivery: DeliveryId::from_bytes(id(2)?),
        })
    }

    /// The whole link, below the address of the preferences function.
    pub fn url(&self, base: &str, purpose: Purpose, key: &LinkKey) -> String {
        let token = key.sign(purpose, &self.payload()).expect("49 bytes are fewer than a token carries");
        let path = PATHS.iter().find(|(known, _)| *known == purpose).map_or("p", |(_, path)| path);
        format!("{}/{path}/{token}", base.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn link(channel: Channel) -> ConsentLink {
        let user = UserKey::known("42");
        let address = AddressKey::of(channel, "ada@shop.example");
        ConsentLink { user, channel, address, delivery: DeliveryId::of_decision(user, 1) }
    }

    #[test]
    fn a_link_carries_what_it_was_made_of() {
        for channel in Channel::ALL {
            assert_eq!(ConsentLink::read(&link(channel).payload()), Some(link(channel)));
        }
        let payload = link(Channel::Email).payload();
        assert_eq!((payload.len(), payload[0]), (PAYLOAD_BYTES, 0));
        let mut unknown = payload.clone();
        unknown[0] = 200;
        for wrong in [&payload[1..], &[&payload[..], &[0]].concat(), &unknown, &[]] {
            assert_eq!(ConsentLink::read(wrong), None);
        }
    }

    #[test]
    fn each_kind_of_link_has_a_path_and_a_token_of_its_own() {
        let key = LinkKey::parse("a secret of more than thirty-two letters").unwrap();
        for (purpose, path) in PATHS {
            let url = link(Channel::Email).url("https://p.example/", purpose, &key);
            let token = url.strip_prefix(&format!("https://p.example/{path}/")).unwrap();
            assert_eq!(key.open(purpose, token).unwrap(), link(Channel::Email).payload());
            assert!(url.len() < 140, "{url}");
        }
    }
}
