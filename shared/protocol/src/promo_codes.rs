//! Promo codes: one for each message that shows one, and each for one order.
//!
//! ```text
//! made:    made from the delivery's id ──▶ written if nobody has it            (one conditional write)
//! pool:    chosen for the delivery ──▶ taken if it is still free               (two, and another choice when it is not)
//! redeem:  read ──▶ used, if the revision is still the one read ──▶ told to the user's mailbox ──▶ noted as told
//! ```
//!
//! **The same message always shows the same code**, however often the queue gives it: a made code is derived from the
//! delivery's id, and of a pool a delivery first writes down which code it wants, then takes that. Two deliveries never
//! share a code, because each is written or taken under the condition that nobody has it.
//!
//! **A code is used once**, because of all who have read the same revision one can write the next. The others read again
//! and find whose it is: their own order's, which is success once more, or another one's.
//!
//! **The user hears of it exactly once in effect.** Whoever repeats a redemption whose user may not have been told tells
//! them again; the message is derived from the redemption, so that queue and user recognise it.
//!
//! **Invariants**
//! - No code is shown before it is written for its delivery.
//! - No redemption is answered with success before it is written and its user was told.
//! - What a code is good for stands with it: a changed playbook changes no promise that was made.

use std::collections::BTreeSet;
use std::future::Future;

use kairos_engine::bounds::{FORWARD_HOPS_MAX, PROMO_CODES_MADE_MAX, PROMO_POOL_ROUNDS_MAX, REDEEM_ROUNDS_MAX};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::money::Micros;
use kairos_engine::playbook::Promotion;
use kairos_engine::time::Timestamp;

use crate::mailboxes::Users;
use crate::port::{Clock, Fault, Mailboxes};

mod code;
mod record;
#[cfg(test)]
mod tests;

pub use code::{ALPHABET, CodeKey, NoCode, SYMBOLS, spelled};
pub use record::{Given, PromoCode, Redemption, Refusal, SOURCE, Sale, SaleChannel};

use record::Verdict;

/// The promo codes, and which of a pool's each delivery has chosen.
pub trait PromoCodes {
    /// What is kept of a code, strongly consistent.
    fn load(&self, code: &CodeKey) -> impl Future<Output = Result<Option<PromoCode>, Fault>>;

    /// Writes a code, if the one that is there has the expected revision (`None`: if none is there).
    fn save(&self, code: &PromoCode, expected_revision: Option<u32>) -> impl Future<Output = Result<CodeSaved, Fault>>;

    /// Counts one more code of a promotion, if fewer than `at_most` have been counted; says whether it did. When this
    /// gives a fault, it may have been counted.
    fn count(&self, promotion: &str, at_most: u32) -> impl Future<Output = Result<bool, Fault>>;

    /// Some codes that were free in a pool a moment ago, in any order; none when there are none.
    fn free(&self, pool: &str) -> impl Future<Output = Result<Vec<CodeKey>, Fault>>;

    /// The code that a delivery has chosen, strongly consistent.
    fn chosen(&self, delivery: DeliveryId) -> impl Future<Output = Result<Option<CodeKey>, Fault>>;

    /// Notes the choice of a delivery, if `instead_of` is what is there; gives what is there then, which may be the
    /// choice of another worker on the same delivery.
    fn choose(
        &self,
        delivery: DeliveryId,
        code: &CodeKey,
        instead_of: Option<&CodeKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<CodeKey, Fault>>;
}

/// What became of a conditional write of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeSaved {
    /// It is written.
    Written,
    /// Nothing was changed, because this one is there (`None`: because none is).
    Conflict(Option<Box<PromoCode>>),
}

/// Why a message gets no code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotGiven {
    /// As many as the promotion has were given.
    #[error("all {at_most} codes of the promotion `{promotion}` are given")]
    UsedUp {
        /// Which promotion.
        promotion: String,
        /// How many it has.
        at_most: u32,
    },
    /// Its pool is empty.
    #[error("the pool `{0}` has no free codes; bring in more with `kairos promo-codes import {0} FILE`")]
    Exhausted(String),
    /// Others were faster every time; another try finds other codes.
    #[error("all codes of the pool `{0}` that were looked at were taken meanwhile")]
    Overtaken(String),
    /// Every code that was made is another delivery's already.
    #[error("every code that was made is another message's already; is the key that they are made with a secret?")]
    NotUnique,
    /// The table does not answer.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The code of a message, given now or by an earlier try. `made` gives the bytes of the codes that may be made for it, by
/// their number: always the same for a delivery, and unknown to everybody without the key.
///
/// # Errors
/// When there is none, and why.
pub async fn give(
    codes: &impl PromoCodes,
    order: &DeliveryOrder,
    name: &str,
    promotion: &Promotion,
    made: impl Fn(u32) -> [u8; 16],
    now: Timestamp,
) -> Result<PromoCode, NotGiven> {
    let given = Given::of(order, name, promotion, now);
    if let Some(pool) = &promotion.pool {
        return take(codes, pool, promotion.at_most, given, now).await;
    }
    let mut is_counted = false;
    for number in 0..PROMO_CODES_MADE_MAX {
        let code = PromoCode::made(spelled(promotion.prefix.as_deref(), made(number)), given.clone(), now);
        if promotion.at_most.is_some() && !is_counted {
            // What an earlier try has given is counted.
            match codes.load(&code.key().map_err(damaged)?).await? {
                Some(there) if there.is_of(order.delivery) => return Ok(there),
                Some(_) => continue,
                None => count(codes, &given, promotion.at_most).await?,
            }
            is_counted = true;
        }
        match codes.save(&code, None).await? {
            CodeSaved::Written => return Ok(code),
            CodeSaved::Conflict(Some(there)) if there.is_of(order.delivery) => return Ok(*there),
            CodeSaved::Conflict(_) => {}
        }
    }
    Err(NotGiven::NotUnique)
}

fn damaged(why: NoCode) -> Fault {
    Fault::Permanent { what: "reading a promo code that was made", why: why.to_string() }
}

/// Counts a code of a promotion that gives only so many. A crash behind this costs one of them; there are never more.
async fn count(codes: &impl PromoCodes, given: &Given, at_most: Option<u32>) -> Result<(), NotGiven> {
    let Some(at_most) = at_most else { return Ok(()) };
    if codes.count(&given.promotion, at_most).await? {
        return Ok(());
    }
    Err(NotGiven::UsedUp { promotion: given.promotion.clone(), at_most })
}

/// Takes a code out of a pool: first chosen, then taken, so that a crash between the two costs no code.
async fn take(
    codes: &impl PromoCodes,
    pool: &str,
    at_most: Option<u32>,
    given: Given,
    now: Timestamp,
) -> Result<PromoCode, NotGiven> {
    let delivery = given.delivery;
    let mut chosen = codes.chosen(delivery).await?;
    for round in 0..=PROMO_POOL_ROUNDS_MAX {
        if let Some(key) = &chosen {
            match codes.load(key).await? {
                Some(there) if there.is_of(delivery) => return Ok(there),
                Some(there) if there.given.is_none() => {
                    let taken = there.taken(given.clone(), now);
                    match codes.save(&taken, Some(there.revision)).await? {
                        CodeSaved::Written => return Ok(taken),
                        CodeSaved::Conflict(Some(there)) if there.is_of(delivery) => return Ok(*there),
                        CodeSaved::Conflict(_) => {}
                    }
                }
                // Another delivery has it, or somebody has removed it.
                _ => {}
            }
        }
        let free = codes.free(pool).await?;
        // Where a delivery begins to look is as good as random, so that those who look at once rarely meet.
        let [a, b, ..] = *delivery.as_bytes();
        let start = usize::from(u16::from_be_bytes([a, b]));
        let Some(at) = (start + round).checked_rem(free.len()) else {
            return Err(NotGiven::Exhausted(pool.to_owned()));
        };
        if chosen.is_none() {
            count(codes, &given, at_most).await?;
        }
        let next = &free[at];
        chosen = Some(codes.choose(delivery, next, chosen.as_ref(), now).await?);
    }
    Err(NotGiven::Overtaken(pool.to_owned()))
}

/// What redeeming asks of the world.
pub struct Ports<'a, P, U, M, C> {
    /// The codes.
    pub codes: &'a P,
    /// The users: which of them have turned out to be one.
    pub users: &'a U,
    /// The mailboxes of the users who hear of it.
    pub mailboxes: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// How a redemption ended, when nothing failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Redeemed {
    /// This order has the code now.
    Now(PromoCode),
    /// It had it before.
    Again(PromoCode),
    /// It may not have it.
    Refused(Refusal),
}

/// What a code would be worth for a sale.
#[derive(Clone, Debug, PartialEq)]
pub enum Checked {
    /// It can be used, and saves this, when that can be told.
    Good(Box<PromoCode>, Option<Micros>),
    /// It cannot.
    Refused(Refusal),
}

/// Why nobody can say how a redemption ended: the same request again finds out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotRedeemed {
    /// Others wrote the code every time.
    #[error("others changed the code {REDEEM_ROUNDS_MAX} times meanwhile")]
    Overtaken,
    /// A table or the queue does not answer.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl<P: PromoCodes, U: Users, M: Mailboxes, C: Clock> Ports<'_, P, U, M, C> {
    /// Uses a code for an order, and tells the user it was given to. The same order again gets the same answer.
    ///
    /// # Errors
    /// When nobody can say how it ended.
    pub async fn redeem(&self, key: &CodeKey, order: &str, sale: &Sale) -> Result<Redeemed, NotRedeemed> {
        let sale = &Sale { order: Some(order.to_owned()), ..sale.clone() };
        let mut found = self.codes.load(key).await?;
        for _ in 0..REDEEM_ROUNDS_MAX {
            let now = self.clock.now();
            let Some(code) = found else { return Ok(Redeemed::Refused(Refusal::Unknown)) };
            let (used, revision) = match code.verdict(sale, now) {
                Verdict::Refused(refusal) => return Ok(Redeemed::Refused(refusal)),
                Verdict::Again => return Ok(Redeemed::Again(self.tell(code).await?)),
                Verdict::Good { discount, ask_buyer } => {
                    if ask_buyer && !self.is_buyer(&code, sale).await? {
                        return Ok(Redeemed::Refused(Refusal::WrongUser));
                    }
                    (code.used(order, sale, discount, now), code.revision)
                }
            };
            match self.codes.save(&used, Some(revision)).await? {
                CodeSaved::Written => return Ok(Redeemed::Now(self.tell(used).await?)),
                CodeSaved::Conflict(there) => found = there.map(|there| *there),
            }
        }
        Err(NotRedeemed::Overtaken)
    }

    /// What a code would be worth for a sale, now. Changes nothing.
    ///
    /// # Errors
    /// When a table does not answer.
    pub async fn check(&self, key: &CodeKey, sale: &Sale) -> Result<Checked, NotRedeemed> {
        let Some(code) = self.codes.load(key).await? else { return Ok(Checked::Refused(Refusal::Unknown)) };
        Ok(match code.verdict(sale, self.clock.now()) {
            Verdict::Refused(refusal) => Checked::Refused(refusal),
            Verdict::Again => {
                let saved = code.redeemed.as_ref().and_then(|redeemed| redeemed.discount);
                Checked::Good(Box::new(code), saved)
            }
            Verdict::Good { ask_buyer: true, .. } if !self.is_buyer(&code, sale).await? => {
                Checked::Refused(Refusal::WrongUser)
            }
            Verdict::Good { discount, .. } => Checked::Good(Box::new(code), discount),
        })
    }

    /// Puts the redemption into the user's mailbox, if that is not known to be done, and notes that it is.
    async fn tell(&self, code: PromoCode) -> Result<PromoCode, NotRedeemed> {
        let (Some(told), Some(message)) = (code.told(self.clock.now()), code.message()) else { return Ok(code) };
        self.mailboxes.send(&[message]).await?;
        match self.codes.save(&told, Some(code.revision)).await {
            Ok(CodeSaved::Written) => Ok(told),
            // Another till has told them as well, which is harmless.
            Ok(CodeSaved::Conflict(_)) => Ok(code),
            // They were told. At worst a repetition tells them again.
            Err(error) => {
                tracing::warn!(%error, "that a user was told of a redemption could not be noted");
                Ok(code)
            }
        }
    }

    /// Whether who buys is who the code was given to, by any of the ids that have turned out to be one.
    async fn is_buyer(&self, code: &PromoCode, sale: &Sale) -> Result<bool, Fault> {
        let Some(given) = &code.given else { return Ok(false) };
        let said: BTreeSet<UserKey> = [sale.user, sale.visitor].into_iter().flatten().collect();
        if said.contains(&given.user) {
            return Ok(true);
        }
        let mut is_now = BTreeSet::new();
        for user in said {
            is_now.insert(self.linked(user).await?);
        }
        Ok(is_now.contains(&given.user) || is_now.contains(&self.linked(given.user).await?))
    }

    /// Who a visitor has turned out to be.
    async fn linked(&self, mut user: UserKey) -> Result<UserKey, Fault> {
        for _ in 0..FORWARD_HOPS_MAX {
            let stored = self.users.load(&[user]).await?.remove(&user).transpose()?;
            let Some(to) = stored.and_then(|stored| stored.state.forwarded_to) else { break };
            user = to;
        }
        Ok(user)
    }
}
