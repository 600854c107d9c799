//! Promo codes: one DynamoDB item for each code, one for each delivery that has chosen a code of a pool, and one for each
//! promotion that gives only so many.
//!
//! | attribute | what |
//! |---|---|
//! | `id` (S, key) | `code#KEY`, the letters and digits of a code; `delivery#ID`, the delivery's id; `promotion#NAME` |
//! | `record` (S) | of a code: [`PromoCode::to_json`], all there is to know |
//! | `revision` (N) | of a code: condition of the next write |
//! | `pool` (S) | of a code, there while it is free (index `pools`) |
//! | `promotion`, `play`, `status` (S) | of a code: copies out of the record, for people and filters |
//! | `code` (S) | of a delivery: the key of the code it has chosen; condition of another choice |
//! | `given` (N) | of a promotion: how many of its codes were given |
//! | `expires_at` (N) | TTL, in seconds; never of a pool's code, free or given |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::Select;
use kairos_engine::bounds::{PROMO_CODE_RETENTION, PROMO_POOL_PAGE_MAX};
use kairos_engine::identifiers::DeliveryId;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use kairos_protocol::promo_codes::{CodeKey, CodeSaved, PromoCode, PromoCodes};

use crate::faults::{fault, without_content};
use crate::items::{Condition, Item, PutOutcome, number, number_in, put_if, text, text_in};

/// The table of promo codes.
#[derive(Clone, Debug)]
pub struct PromoCodesTable {
    client: Client,
    table: String,
}

impl PromoCodesTable {
    /// The table with this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// How many codes are free in a pool.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn count_free(&self, pool: &str) -> Result<u64, Fault> {
        let mut count = 0;
        let mut start = None;
        loop {
            let request = self.pool_query(pool).select(Select::Count).set_exclusive_start_key(start);
            let page = request.send().await.map_err(|error| fault(QUERY, &error))?;
            count += u64::try_from(page.count()).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    /// How many codes of a promotion that is limited were given.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn count_given(&self, promotion: &str) -> Result<u64, Fault> {
        let item = self.get(promotion_id(promotion)).await?.unwrap_or_default();
        Ok(number_in(&item, "given").unwrap_or_default())
    }

    /// The free codes of a pool.
    fn pool_query(&self, pool: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name("pools")
            .key_condition_expression("#pool = :pool")
            .expression_attribute_names("#pool", "pool")
            .expression_attribute_values(":pool", text(pool))
    }

    async fn get(&self, id: String) -> Result<Option<Item>, Fault> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(id));
        let answer = request.consistent_read(true).send().await;
        Ok(answer.map_err(|error| fault("PromoCodesTable GetItem", &error))?.item)
    }
}

impl PromoCodes for PromoCodesTable {
    async fn load(&self, code: &CodeKey) -> Result<Option<PromoCode>, Fault> {
        self.get(code_id(code)).await?.as_ref().map(read_item).transpose()
    }

    async fn save(&self, code: &PromoCode, expected_revision: Option<u32>) -> Result<CodeSaved, Fault> {
        let condition = Condition::still(expected_revision, "id");
        match put_if(&self.client, &self.table, write_item(code)?, condition, PUT).await? {
            PutOutcome::Written | PutOutcome::Same => Ok(CodeSaved::Written),
            PutOutcome::Conflict(Some(there)) => Ok(CodeSaved::Conflict(Some(Box::new(read_item(&there)?)))),
            PutOutcome::Conflict(None) => Ok(CodeSaved::Conflict(self.load(&key_of(code)?).await?.map(Box::new))),
        }
    }

    async fn count(&self, promotion: &str, at_most: u32) -> Result<bool, Fault> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(promotion_id(promotion)))
            .update_expression("ADD given :one")
            .condition_expression("attribute_not_exists(given) OR given < :most")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(at_most));
        let Err(error) = request.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(fault("PromoCodesTable UpdateItem", &error)),
        }
    }

    async fn free(&self, pool: &str) -> Result<Vec<CodeKey>, Fault> {
        let limit = i32::try_from(PROMO_POOL_PAGE_MAX).unwrap_or(i32::MAX);
        let page = self.pool_query(pool).limit(limit).send().await.map_err(|error| fault(QUERY, &error))?;
        page.items.unwrap_or_default().iter().map(key_in).collect()
    }

    async fn chosen(&self, delivery: DeliveryId) -> Result<Option<CodeKey>, Fault> {
        self.get(delivery_id(delivery)).await?.as_ref().map(choice_in).transpose()
    }

    async fn choose(
        &self,
        delivery: DeliveryId,
        code: &CodeKey,
        instead_of: Option<&CodeKey>,
        now: Timestamp,
    ) -> Result<CodeKey, Fault> {
        let item = Item::from([
            ("id".to_owned(), text(delivery_id(delivery))),
            ("code".to_owned(), text(code.as_str())),
            ("expires_at".to_owned(), number(now.plus(PROMO_CODE_RETENTION).as_secs())),
        ]);
        let condition = match instead_of {
            None => Condition::Absent("id"),
            Some(before) => Condition::Equal("code", text(before.as_str())),
        };
        match put_if(&self.client, &self.table, item, condition, PUT).await? {
            PutOutcome::Written | PutOutcome::Same => Ok(code.clone()),
            PutOutcome::Conflict(Some(there)) => choice_in(&there),
            PutOutcome::Conflict(None) => self
                .chosen(delivery)
                .await?
                .ok_or_else(|| Fault::Retryable { what: PUT, why: "a delivery's choice was removed meanwhile".into() }),
        }
    }
}

const PUT: &str = "PromoCodesTable PutItem";
const QUERY: &str = "PromoCodesTable Query pools";
const CODE: &str = "code#";

fn code_id(code: &CodeKey) -> String {
    format!("{CODE}{code}")
}

fn delivery_id(delivery: DeliveryId) -> String {
    format!("delivery#{delivery}")
}

fn promotion_id(promotion: &str) -> String {
    format!("promotion#{promotion}")
}

fn key_of(code: &PromoCode) -> Result<CodeKey, Fault> {
    code.key().map_err(damaged)
}

fn key_in(item: &Item) -> Result<CodeKey, Fault> {
    let id = text_in(item, "id").and_then(|id| id.strip_prefix(CODE));
    CodeKey::parse(id.ok_or_else(|| damaged("its `id` is no code's"))?).map_err(damaged)
}

fn choice_in(item: &Item) -> Result<CodeKey, Fault> {
    let code = text_in(item, "code").ok_or_else(|| damaged("it has no `code`"))?;
    CodeKey::parse(code).map_err(damaged)
}

fn write_item(code: &PromoCode) -> Result<Item, Fault> {
    let json = code.to_json().map_err(|error| damaged(without_content(&error)))?;
    let status = match (&code.given, &code.redeemed) {
        (None, _) => "free",
        (_, None) => "given",
        (_, Some(_)) => "redeemed",
    };
    let mut item = Item::from([
        ("id".to_owned(), text(code_id(&key_of(code)?))),
        ("record".to_owned(), text(json)),
        ("revision".to_owned(), number(code.revision)),
        ("status".to_owned(), text(status)),
    ]);
    match &code.given {
        None => item.extend(code.pool.as_ref().map(|pool| ("pool".to_owned(), text(pool)))),
        Some(given) => {
            item.insert("promotion".into(), text(&given.promotion));
            item.insert("play".into(), text(&given.play));
        }
    }
    item.extend(code.expires_at_secs().map(|secs| ("expires_at".to_owned(), number(secs))));
    Ok(item)
}

fn read_item(item: &Item) -> Result<PromoCode, Fault> {
    let json = text_in(item, "record").ok_or_else(|| damaged("it has no `record`"))?;
    PromoCode::from_json(json).map_err(|error| damaged(without_content(&error)))
}

fn damaged(why: impl std::fmt::Display) -> Fault {
    let why = format!("{why}; a newer version of Kairos may have written it: deploy that one");
    Fault::Permanent { what: "reading a promo code's item", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: &str = include_str!("../../protocol/tests/golden/promo_code_v1_free.json");
    const GIVEN: &str = include_str!("../../protocol/tests/golden/promo_code_v1_given.json");
    const REDEEMED: &str = include_str!("../../protocol/tests/golden/promo_code_v1_redeemed.json");

    #[test]
    fn an_item_reads_back_and_is_in_its_pool_only_while_it_is_free() {
        for (golden, id, status, pool, expires_at) in [
            (FREE, "code#SHOP0001", "free", Some("shop"), None),
            (GIVEN, "code#SPRINGR7JWXPPFY584", "given", None, Some("1779364800")),
            (REDEEMED, "code#SPRINGR7JWXPPFY584", "redeemed", None, Some("1779364800")),
        ] {
            let code = PromoCode::from_json(golden).unwrap();
            let item = write_item(&code).unwrap();
            assert_eq!((&item["id"], &item["status"]), (&text(id), &text(status)));
            assert_eq!(item.get("pool"), pool.map(text).as_ref());
            // 180 days after its end, in seconds; never while it is free.
            assert_eq!(item.get("expires_at"), expires_at.map(number).as_ref());
            assert_eq!(read_item(&item).unwrap(), code);
            assert_eq!(key_in(&item).unwrap(), code.key().unwrap());
        }
    }

    #[test]
    fn a_damaged_item_says_what_to_do_and_nothing_of_its_content() {
        for record in [None, Some("{"), Some(r#"{"v":"9","code":"SPRING-1"}"#)] {
            let item: Item = record.map(|record| ("record".to_owned(), text(record))).into_iter().collect();
            let error = read_item(&item).unwrap_err().to_string();
            assert!(error.contains("deploy") && !error.contains("SPRING"), "{error}");
        }
        assert!(choice_in(&Item::new()).is_err() && key_in(&Item::new()).is_err());
    }
}
