//! REES46's open data ("eCommerce behavior data from multi category store"): CSV with `event_time,
//! event_type, product_id, category_id, category_code, brand, price, user_id, user_session`.

use csv::StringRecord;
use kairos_engine::bounds::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::UserKey;
use kairos_engine::mailbox::Input;
use serde_json::{Map, Value};

use super::rows::{Rows, read_csv};
use super::{Columns, Defaults, moment};

/// Where the columns are.
#[derive(Debug)]
pub(crate) struct Rees46 {
    time: usize,
    kind: usize,
    product: usize,
    category: usize,
    brand: usize,
    price: usize,
    user: usize,
    session: usize,
}

impl Rees46 {
    /// By the header; `None` when it is another table.
    pub(crate) fn of(columns: &Columns) -> Option<Self> {
        let column = |name: &str| columns.find(&[name]);
        Some(Self {
            time: column("event_time")?,
            kind: column("event_type")?,
            product: column("product_id")?,
            category: column("category_code")?,
            brand: column("brand")?,
            price: column("price")?,
            user: column("user_id")?,
            session: column("user_session")?,
        })
    }

    pub(crate) fn read(&self, text: &[u8], fields: usize, defaults: &Defaults, rows: &mut Rows) {
        read_csv(text, fields, rows, |row, rows| {
            let (user, event) = self.event(row, defaults, rows)?;
            rows.check_time(event.at)?;
            rows.events += 1;
            rows.push(user, Input::event(event), true);
            Ok(())
        });
    }

    fn event(&self, row: &StringRecord, defaults: &Defaults, rows: &Rows) -> Result<(UserKey, Event), String> {
        let field = |index: usize| row.get(index).unwrap_or_default().trim();
        let id = |name: &str, index: usize| match field(index) {
            "" => Err(format!("{name} is empty")),
            text if text.len() > ID_BYTES_MAX => {
                Err(format!("{name} has {} bytes and may have {ID_BYTES_MAX}", text.len()))
            }
            text => Ok(text),
        };
        let user = id("user_id", self.user)?;
        let product = id("product_id", self.product)?;
        let time = field(self.time);
        let at = moment::parse(time)
            .ok_or_else(|| format!("event_time is {time:?} and must be like 2019-10-01 00:00:00 UTC"))?;
        let name = match field(self.kind) {
            "view" => EventName::ProductViewed,
            "cart" => EventName::ProductAdded,
            "remove_from_cart" => EventName::ProductRemoved,
            "purchase" => EventName::OrderCompleted,
            other => {
                return Err(format!(
                    "event_type is {other:?} and must be one of view, cart, remove_from_cart, purchase"
                ));
            }
        };
        let price = price(field(self.price))?;
        let mut properties = self.product(product, &field, price, defaults)?;
        let event_id = rows.event_id();
        if name == EventName::OrderCompleted {
            // The format has one line for each product bought.
            let mut order = Map::new();
            order.insert("order_id".into(), event_id.to_string().into());
            if let Some(price) = price {
                order.insert("total".into(), price.into());
            }
            if let Some(currency) = &defaults.currency {
                order.insert("currency".into(), currency.as_str().into());
            }
            order.insert("products".into(), Value::Array(vec![Value::Object(properties)]));
            order.insert("session".into(), field(self.session).into());
            properties = order;
        }
        let kind = EventKind::Track { event: name, properties };
        let event = Event::new(event_id, at, defaults.source.clone(), Some(user.to_owned()), None, kind, Map::new());
        Ok((UserKey::known(user), event))
    }

    /// The product as an event names it. The format has no names: brand and the end of the category make one.
    fn product<'a>(
        &self,
        id: &str,
        field: &impl Fn(usize) -> &'a str,
        price: Option<f64>,
        defaults: &Defaults,
    ) -> Result<Map<String, Value>, String> {
        let (category, brand) = (field(self.category), field(self.brand));
        if category.len() > TEXT_BYTES_MAX || brand.len() > TEXT_BYTES_MAX {
            return Err(format!("category_code or brand has more than {TEXT_BYTES_MAX} bytes"));
        }
        let kind = category.rsplit('.').next().unwrap_or_default();
        let name = match (brand, kind) {
            ("", "") => format!("Product {id}"),
            (brand, "") => brand.to_owned(),
            ("", kind) => kind.replace('_', " "),
            (brand, kind) => format!("{brand} {}", kind.replace('_', " ")),
        };
        let mut product = Map::new();
        product.insert("product_id".into(), id.into());
        product.insert("name".into(), name.into());
        product.insert("quantity".into(), 1.into());
        for (name, value) in [("category", category), ("brand", brand)] {
            if !value.is_empty() {
                product.insert(name.into(), value.into());
            }
        }
        if let Some(price) = price {
            product.insert("price".into(), price.into());
            if let Some(currency) = &defaults.currency {
                product.insert("currency".into(), currency.as_str().into());
            }
        }
        Ok(product)
    }
}

/// A price; zero stands for unknown.
fn price(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(price) if price.is_finite() && price >= 0.0 => Ok((price > 0.0).then_some(price)),
        _ => Err(format!("price is {text:?} and must be a number, as in 35.79")),
    }
}
