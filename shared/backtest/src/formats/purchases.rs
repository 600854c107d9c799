//! Plain purchases: a table of what was bought, when, by whom, one product in each row. Rows of one
//! order that follow each other are one `Order Completed`; returns are one `Order Refunded`.

use kairos_engine::bounds::{ID_BYTES_MAX, PRODUCTS_PER_EVENT_MAX, TEXT_BYTES_MAX};
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::identifiers::{InputId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::money::Micros;
use kairos_engine::product::shortened;
use kairos_engine::time::Timestamp;
use serde_json::{Map, Number, Value};

use super::rows::{Rows, read_csv};
use super::{Columns, Defaults, moment};

/// The names of the columns, where they are not well known.
#[derive(Clone, Debug, Default)]
pub struct PurchaseColumns {
    /// Who bought.
    pub customer: Option<String>,
    /// When.
    pub date: Option<String>,
    /// The product's id.
    pub product: Option<String>,
    /// How many; one without it.
    pub quantity: Option<String>,
    /// The price of one.
    pub price: Option<String>,
    /// The amount of the whole row, where there is no price of one.
    pub total: Option<String>,
    /// What the order is called; without it, what a customer buys at the same time is one order.
    pub order: Option<String>,
}

/// Where the columns are.
#[derive(Debug)]
pub(crate) struct Purchases {
    customer: usize,
    date: usize,
    product: Option<usize>,
    name: Option<usize>,
    quantity: Option<usize>,
    price: Option<usize>,
    total: Option<usize>,
    order: Option<usize>,
}

/// An order of which more rows may come.
#[derive(Debug)]
pub(crate) struct OpenOrder {
    key: OrderKey,
    id: InputId,
    row: u32,
    products: Vec<Value>,
    total_micros: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct OrderKey {
    customer: String,
    order: Option<String>,
    /// The time of an order is that of its first row; where nothing names orders, it tells them apart.
    at: Timestamp,
    is_return: bool,
}

impl OrderKey {
    fn same_order(&self, other: &Self) -> bool {
        self.customer == other.customer
            && self.is_return == other.is_return
            && self.order == other.order
            && (self.order.is_some() || self.at == other.at)
    }
}

impl Purchases {
    /// By the header, the names that were given, and the names that are well known.
    pub(crate) fn of(columns: &Columns, named: &PurchaseColumns) -> Result<Self, String> {
        let column = |named: &Option<String>, known: &[&str]| match named {
            Some(name) => columns.find(&[name]).map(Some).ok_or_else(|| format!("it has no column {name}")),
            None => Ok(columns.find(known)),
        };
        let needed = |found: Option<usize>, what: &str| {
            found
                .ok_or_else(|| format!("it has no column that is known to be the {what}: name it with --{what}-column"))
        };
        let purchases = Self {
            customer: needed(
                column(&named.customer, &["customer_id", "customer", "user_id", "user", "client_id", "client"])?,
                "customer",
            )?,
            date: needed(
                column(
                    &named.date,
                    &["invoice_date", "order_date", "purchase_date", "date", "timestamp", "time", "created_at"],
                )?,
                "date",
            )?,
            product: column(&named.product, &["stock_code", "product_id", "sku", "item_id", "product", "item"])?,
            name: column(&None, &["description", "product_name", "item_name", "name"])?,
            quantity: column(&named.quantity, &["quantity", "qty", "units"])?,
            price: column(&named.price, &["unit_price", "price", "item_price"])?,
            total: column(&named.total, &["total", "amount", "revenue", "value", "spent"])?,
            order: column(&named.order, &["invoice_no", "invoice", "order_id", "order", "transaction_id"])?,
        };
        if purchases.product.is_none() && purchases.price.is_none() && purchases.total.is_none() {
            return Err("it has no column that is known to be the product, price or total: name them with \
                        --product-column, --price-column or --total-column"
                .to_owned());
        }
        Ok(purchases)
    }

    pub(crate) fn read(&self, text: &[u8], fields: usize, defaults: &Defaults, rows: &mut Rows) {
        let mut open: Option<OpenOrder> = None;
        read_csv(text, fields, rows, |row, rows| {
            let Some(line) = self.line(row, rows)? else {
                rows.nobodys += 1;
                return Ok(());
            };
            match &mut open {
                Some(order) if order.key.same_order(&line.key) => order.append(line),
                _ => {
                    if let Some(done) = open.replace(line) {
                        match rows.first_order {
                            None => rows.first_order = Some(done),
                            Some(_) => done.push_to(rows, defaults),
                        }
                    }
                }
            }
            Ok(())
        });
        match rows.first_order {
            None => rows.first_order = open,
            Some(_) => rows.last_order = open,
        }
    }

    /// A row as an order of its own; `None` when it belongs to nobody.
    fn line(&self, row: &[&str], rows: &Rows) -> Result<Option<OpenOrder>, String> {
        let field = |index: usize| row.get(index).copied().unwrap_or_default().trim();
        let customer = field(self.customer);
        if customer.is_empty() {
            return Ok(None);
        }
        if customer.len() > ID_BYTES_MAX {
            return Err(format!("the customer has {} bytes and may have {ID_BYTES_MAX}", customer.len()));
        }
        let date = field(self.date);
        let at = moment::parse(date)
            .ok_or_else(|| format!("the date is {:?} and must be like {}", shortened(date, 40), moment::EXPECTED))?;
        rows.check_time(at)?;
        let quantity = decimal("the quantity", self.quantity.map(field))?.unwrap_or(1.0);
        let price = decimal("the price", self.price.map(field))?;
        let total = match decimal("the total", self.total.map(field))? {
            Some(total) => total,
            None => price.unwrap_or(0.0) * quantity,
        };
        let order = self.order.map(field).filter(|order| !order.is_empty());
        // UCI's convention: the number of an invoice that takes another one back begins with C.
        let is_cancelled = order.is_some_and(|order| {
            order.strip_prefix(['C', 'c']).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let mut product = Map::new();
        if let Some(id) = self.product.map(field).filter(|id| !id.is_empty()) {
            product.insert("product_id".into(), shortened(id, ID_BYTES_MAX).into());
            product.insert("quantity".into(), (quantity.abs().clamp(1.0, 10_000.0) as u32).into());
            if let Some(name) = self.name.map(field).filter(|name| !name.is_empty()) {
                product.insert("name".into(), shortened(name, TEXT_BYTES_MAX).into());
            }
            // Zero stands for unknown.
            if let Some(price) = price.filter(|price| *price > 0.0).and_then(Number::from_f64) {
                product.insert("price".into(), Value::Number(price));
            }
        }
        Ok(Some(OpenOrder {
            key: OrderKey {
                customer: customer.to_owned(),
                order: order.map(|order| shortened(order, ID_BYTES_MAX).to_owned()),
                at,
                is_return: is_cancelled || quantity < 0.0 || total < 0.0,
            },
            id: rows.event_id(),
            row: rows.row,
            products: if product.is_empty() { Vec::new() } else { vec![Value::Object(product)] },
            total_micros: (total.abs() * 1e6).round() as i64,
        }))
    }
}

impl OpenOrder {
    fn append(&mut self, line: Self) {
        self.total_micros = self.total_micros.saturating_add(line.total_micros);
        let room = PRODUCTS_PER_EVENT_MAX.saturating_sub(self.products.len());
        self.products.extend(line.products.into_iter().take(room));
    }

    fn push_to(self, rows: &mut Rows, defaults: &Defaults) {
        let mut properties = Map::new();
        properties.insert("order_id".into(), self.key.order.unwrap_or_else(|| self.id.to_string()).into());
        if let Some(total) = Number::from_f64(Micros::new(self.total_micros).get() as f64 / 1e6) {
            properties.insert("total".into(), Value::Number(total));
        }
        if let Some(currency) = &defaults.currency {
            properties.insert("currency".into(), currency.as_str().into());
        }
        properties.insert("products".into(), Value::Array(self.products));
        let name = if self.key.is_return { EventName::OrderRefunded } else { EventName::OrderCompleted };
        let kind = EventKind::Track { event: name, properties };
        let (user, at) = (UserKey::known(&self.key.customer), self.key.at);
        let event = Event::new(self.id, at, defaults.source.clone(), Some(self.key.customer), None, kind, Map::new());
        let row = std::mem::replace(&mut rows.row, self.row);
        rows.push(user, Input::event(event), true);
        rows.row = row;
        rows.events += 1;
    }
}

/// Joins the orders at the seams of pieces. `open` is the order with which the recording so far ends; what is
/// complete comes in front of the piece's own inputs.
pub(crate) fn stitch(open: &mut Option<OpenOrder>, rows: &mut Rows, defaults: &Defaults) {
    let Some(first) = rows.first_order.take() else { return };
    let mut done = Vec::new();
    let joined = match open.take() {
        Some(mut earlier) if earlier.key.same_order(&first.key) => {
            earlier.append(first);
            earlier
        }
        Some(earlier) => {
            done.push(earlier);
            first
        }
        None => first,
    };
    *open = rows.last_order.take();
    if open.is_none() {
        *open = Some(joined);
    } else {
        done.push(joined);
    }
    prepend(done, rows, defaults);
}

/// The order with which the recording ends is complete.
pub(crate) fn finish(open: &mut Option<OpenOrder>, rows: &mut Rows, defaults: &Defaults) {
    prepend(open.take().into_iter().collect(), rows, defaults);
}

fn prepend(orders: Vec<OpenOrder>, rows: &mut Rows, defaults: &Defaults) {
    let later = std::mem::take(&mut rows.inputs);
    orders.into_iter().for_each(|order| order.push_to(rows, defaults));
    rows.inputs.extend(later);
}

fn decimal(what: &str, field: Option<&str>) -> Result<Option<f64>, String> {
    match field {
        None | Some("") => Ok(None),
        Some(text) => match text.trim_start_matches(['$', '€', '£']).parse::<f64>() {
            Ok(number) if number.is_finite() && number.abs() < 1e9 => Ok(Some(number)),
            _ => Err(format!("{what} is {:?} and must be a number, as in 35.79", shortened(text, 40))),
        },
    }
}
