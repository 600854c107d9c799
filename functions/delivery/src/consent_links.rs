//! The links by which the receiver of a message says what they want to get.

use std::future::Future;
use std::sync::Arc;

use kairos_cloud::clock::SystemClock;
use kairos_cloud::link_keys::LinkKeys;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, LocalizedMessage, Purpose};
use kairos_messages::{ConsentUrls, names_in_message};
use kairos_protocol::consent_links::ConsentLink;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::port::Clock;
use kairos_protocol::signed_links::{LinkKey, Purpose as LinkPurpose};

/// Makes the links of a message.
pub trait ConsentLinks {
    /// The links: for a delivery always the same ones, as long as the key is.
    fn urls(&self, order: &DeliveryOrder) -> impl Future<Output = Result<ConsentUrls, Answer>>;
}

/// Links that are signed with the stack's key.
#[derive(Debug)]
pub struct SignedConsentLinks {
    keys: Arc<LinkKeys>,
    base: String,
}

impl SignedConsentLinks {
    /// Links below the address of the preferences function.
    pub fn new(keys: Arc<LinkKeys>, base: String) -> Self {
        Self { keys, base }
    }
}

impl ConsentLinks for SignedConsentLinks {
    async fn urls(&self, order: &DeliveryOrder) -> Result<ConsentUrls, Answer> {
        if order.purpose == Purpose::Test {
            // Whoever looks at a test must not unsubscribe anybody: the page says that such a link is not valid.
            let url = |path: &str| format!("{}/{path}/test", self.base.trim_end_matches('/'));
            return Ok(ConsentUrls { unsubscribe: url("u"), preferences: url("p"), confirm: url("c") });
        }
        let key = self.keys.current(SystemClock.now()).await;
        let key =
            key.map_err(|fault| Answer::new(AnswerClass::Configuration, "link_key").with_detail(&fault.to_string()))?;
        Ok(signed(order, &self.base, &key))
    }
}

/// The links of a message below an address, signed with this key.
pub fn signed(order: &DeliveryOrder, base: &str, key: &LinkKey) -> ConsentUrls {
    let link = ConsentLink::of(order);
    let url = |purpose| link.url(base, purpose, key);
    ConsentUrls {
        unsubscribe: url(LinkPurpose::Unsubscribe),
        preferences: url(LinkPurpose::Preferences),
        confirm: url(LinkPurpose::Confirm),
    }
}

/// Whether a message needs them: marketing by email always has a header with one.
pub fn needs_links(message: &LocalizedMessage, order: &DeliveryOrder) -> bool {
    has_header(order)
        || names_in_message(message, order.channel).iter().any(|name| ConsentUrls::NAMES.contains(&name.as_str()))
}

/// Whether an email says how to unsubscribe in its header (RFC 8058).
pub fn has_header(order: &DeliveryOrder) -> bool {
    order.channel == Channel::Email && order.purpose == Purpose::Marketing
}
