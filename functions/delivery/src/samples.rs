//! Stand-ins for what a message is composed with, for whoever only looks at it: promo codes that nobody can redeem, and short
//! links that lead nowhere. None is made, taken or kept. As long as real ones, so that an SMS falls into as many segments.

use std::cell::RefCell;

use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Promotion;
use kairos_messages::{ConsentUrls, PromoCode};
use kairos_protocol::delivery::Answer;
use kairos_protocol::links::MessageLinks;
use kairos_protocol::signed_links::LinkKey;

use crate::consent_links::{ConsentLinks, signed};
use crate::links::{NotShort, Short, ShortLinks};
use crate::promo_codes::{Codes, sample};

/// What sample links are signed with.
const SAMPLE_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the links of a composed message lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedLinks {
    /// What short links begin with.
    pub base: String,
    /// The pages behind them.
    pub pages: Vec<String>,
}

/// The stand-ins (see the module).
#[derive(Debug, Default)]
pub struct Samples {
    counted: RefCell<CountedLinks>,
}

impl Samples {
    /// The links that the message composed last would count.
    pub fn counted(&self) -> CountedLinks {
        self.counted.borrow().clone()
    }
}

impl ShortLinks for Samples {
    async fn short(&self, links: &MessageLinks, domain: Option<&str>) -> Result<Short, NotShort> {
        let base = domain.unwrap_or(self.own_address());
        let pages = links.links.iter().map(|target| target.page.clone()).collect();
        self.counted.replace(CountedLinks { base: base.to_owned(), pages });
        let key = LinkKey::parse(SAMPLE_KEY).expect("it is long enough for a key");
        Ok(Short::new(links.clone(), base, key))
    }

    /// As long as the address that AWS gives to a function.
    fn own_address(&self) -> &str {
        "https://this-is-only-a-preview-of-links0.lambda-url.eu-central-1.on.aws"
    }
}

impl ConsentLinks for Samples {
    async fn urls(&self, order: &DeliveryOrder) -> Result<ConsentUrls, Answer> {
        let key = LinkKey::parse(SAMPLE_KEY).expect("it is long enough for a key");
        // As long as the address that AWS gives to a function.
        let base = "https://this-is-only-a-preview-of-choice.lambda-url.eu-central-1.on.aws";
        Ok(signed(order, base, &key))
    }
}

impl Codes for Samples {
    async fn code(&self, order: &DeliveryOrder, _: &str, promotion: &Promotion) -> Result<PromoCode, Answer> {
        Ok(sample(promotion, order.due_at.plus(promotion.expires_after)))
    }
}
