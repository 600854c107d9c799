//! The promo code of a message: made from the delivery's id and a secret, or taken from a pool of the shop's own. Which
//! and in which order is `kairos_protocol::promo_codes`. Messages without a promotion ask nobody.
//!
//! | code | when | class |
//! |---|---|---|
//! | `promotion_unknown` | the playbook does not have the message's promotion | configuration |
//! | `promotion_used_up` | as many codes as it has were given | permanent_message |
//! | `promo_codes_exhausted` | its pool is empty | configuration: tried again, since more may be brought in |
//! | `promo_codes_not_unique` | every code that was made is another message's | configuration |
//! | `promo_code_key` | the key that codes are made with could not be read | configuration |
//! | `promo_codes_unavailable` | the table of codes did not answer, or others were faster every time | retryable |

use std::future::Future;

use aws_sdk_secretsmanager::Client;
use hmac::{Hmac, KeyInit, Mac};
use kairos_cloud::clock::SystemClock;
use kairos_cloud::on_first_use::OnFirstUse;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_cloud::secrets::{Secret, access_key};
use kairos_cloud::telemetry;
use kairos_engine::bounds::PROMO_CODE_KEY_REFRESH;
use kairos_engine::identifiers::DeliveryId;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Message, Playbook, Promotion, Purpose};
use kairos_engine::time::Timestamp;
use kairos_messages::PromoCode;
use kairos_protocol::delivery::{Answer, AnswerClass};
use kairos_protocol::port::Clock;
use kairos_protocol::promo_codes::{NotGiven, give, spelled};
use sha2::Sha256;

/// Where messages get their codes.
pub trait Codes {
    /// The code of this order, always the same one; or why there is none.
    fn code(
        &self,
        order: &DeliveryOrder,
        name: &str,
        promotion: &Promotion,
    ) -> impl Future<Output = Result<PromoCode, Answer>>;
}

/// The code of an order's message; none when the message has no promotion.
///
/// # Errors
/// The answer that is recorded when it should have one and gets none (see the module).
pub async fn code_of(
    codes: &impl Codes,
    playbook: &Playbook,
    message: &Message,
    order: &DeliveryOrder,
) -> Result<Option<PromoCode>, Answer> {
    let Some(name) = &message.promotion else { return Ok(None) };
    let promotion = playbook.promotions.get(name).ok_or_else(|| {
        Answer::new(AnswerClass::Configuration, "promotion_unknown")
            .with_detail(&format!("the playbook has no promotion `{name}`"))
    })?;
    if order.purpose == Purpose::Test {
        return Ok(Some(sample(promotion, order.due_at.plus(promotion.expires_after))));
    }
    codes.code(order, name, promotion).await.map(Some)
}

/// What the sample code is spelled from.
const SAMPLE_BYTES: [u8; 16] = *b"a sample, no one";

/// A code that nobody can redeem, as long as a real one: none is made or taken for it.
pub fn sample(promotion: &Promotion, expires_at: Timestamp) -> PromoCode {
    let code = match promotion.pool {
        // How those look only the shop knows.
        Some(_) => "CODE-OF-THE-POOL".to_owned(),
        None => spelled(promotion.prefix.as_deref(), SAMPLE_BYTES),
    };
    PromoCode {
        code,
        title: promotion.title.clone(),
        discount: promotion.discount.clone(),
        minimum_total: promotion.minimum_total,
        maximum_discount: promotion.maximum_discount,
        expires_at,
    }
}

/// The codes of the table, and the key that new ones are made with: asked for with the first one.
#[derive(Debug)]
pub struct StoredCodes {
    table: PromoCodesTable,
    key: Secret<String>,
}

impl StoredCodes {
    /// The codes of this table, made with the secret of this ARN.
    pub fn new(table: PromoCodesTable, client: OnFirstUse<Client>, secret_id: String) -> Self {
        Self { table, key: Secret::new(client, secret_id, PROMO_CODE_KEY_REFRESH, access_key) }
    }
}

impl Codes for StoredCodes {
    async fn code(&self, order: &DeliveryOrder, name: &str, promotion: &Promotion) -> Result<PromoCode, Answer> {
        let now = SystemClock.now();
        let key = match promotion.pool {
            None => self.key.current(now).await.map_err(|fault| {
                Answer::new(AnswerClass::Configuration, "promo_code_key").with_detail(&fault.to_string())
            })?,
            // Nothing is made.
            Some(_) => String::new(),
        };
        let given = give(&self.table, order, name, promotion, |number| bytes(&key, order.delivery, number), now).await;
        let code = given.map_err(|why| not_given(&why))?;
        telemetry::count("promo_codes_given", 1);
        // What the code says of itself: the promotion may have changed since an earlier try.
        let expires_at = code.given.as_ref().map_or(order.expires_at, |given| given.expires_at);
        Ok(PromoCode {
            code: code.code,
            title: promotion.title.clone(),
            discount: promotion.discount.clone(),
            minimum_total: promotion.minimum_total,
            maximum_discount: promotion.maximum_discount,
            expires_at,
        })
    }
}

fn not_given(why: &NotGiven) -> Answer {
    let (class, code) = match why {
        NotGiven::UsedUp { .. } => (AnswerClass::PermanentMessage, "promotion_used_up"),
        NotGiven::Exhausted(_) => (AnswerClass::Configuration, "promo_codes_exhausted"),
        NotGiven::NotUnique => (AnswerClass::Configuration, "promo_codes_not_unique"),
        NotGiven::Overtaken(_) | NotGiven::Fault(_) => (AnswerClass::Retryable, "promo_codes_unavailable"),
    };
    telemetry::count(code, 1);
    Answer::new(class, code).with_detail(&why.to_string())
}

/// What the `number`-th code of a delivery is spelled from: the first half of an HMAC-SHA-256, so that nobody without the
/// key can tell a code, whatever other codes they have seen.
fn bytes(key: &str, delivery: DeliveryId, number: u32) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"promo code");
    mac.update(delivery.as_bytes());
    mac.update(&number.to_be_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::identifiers::UserKey;
    use kairos_protocol::port::Fault;
    use kairos_protocol::promo_codes::spelled;

    fn delivery(number: u64) -> DeliveryId {
        DeliveryId::of_decision(UserKey::known("ann"), number)
    }

    #[test]
    fn a_code_depends_on_the_key_the_delivery_and_the_number_and_on_nothing_else() {
        // HMAC-SHA-256 by another implementation (Python's hmac), spelled by hand: a message that waits in the queue
        // while this program is replaced must show the same code.
        assert_eq!(spelled(None, bytes("a key", delivery(1), 0)), "2P8Y-6YT6-R3W7");
        let all = [
            bytes("a key", delivery(1), 0),
            bytes("b key", delivery(1), 0),
            bytes("a key", delivery(2), 0),
            bytes("a key", delivery(1), 1),
        ];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), 4);
    }

    #[test]
    fn why_there_is_no_code_says_whether_it_is_worth_another_try() {
        let fault = Fault::Retryable { what: "PromoCodesTable PutItem", why: "later".into() };
        for (why, class, code) in [
            (NotGiven::Exhausted("shop".into()), AnswerClass::Configuration, "promo_codes_exhausted"),
            (
                NotGiven::UsedUp { promotion: "spring".into(), at_most: 9 },
                AnswerClass::PermanentMessage,
                "promotion_used_up",
            ),
            (NotGiven::NotUnique, AnswerClass::Configuration, "promo_codes_not_unique"),
            (NotGiven::Overtaken("shop".into()), AnswerClass::Retryable, "promo_codes_unavailable"),
            (NotGiven::Fault(fault), AnswerClass::Retryable, "promo_codes_unavailable"),
        ] {
            let answer = not_given(&why);
            assert_eq!((answer.class, answer.code.as_str()), (class, code));
        }
    }
}
