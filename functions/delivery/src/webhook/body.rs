//! What a webhook says: the envelope of the Standard Webhooks specification (`type`, `timestamp`, `data`).

use kairos_engine::mailbox::{CartData, DeliveryOrder};
use kairos_engine::money::Micros;
use kairos_engine::playbook::Purpose;
use kairos_engine::product::Product;
use kairos_engine::time::Timestamp;
use serde_json::{Value, json};

/// Names the shape of `data`; another shape gets another name.
pub const TYPE: &str = "message.v1";

/// The body for an order with this rendered text.
pub fn of(order: &DeliveryOrder, text: &str, now: Timestamp) -> Value {
    let person = &order.data.user;
    let mut body = json!({
        "type": TYPE,
        "timestamp": now.to_string(),
        "data": {
            "delivery": order.delivery,
            "user_id": order.address,
            "play": order.play,
            "message": order.message,
            "text": text,
            "why": order.why,
            "due_at": order.due_at.to_string(),
            "decided_at": order.decided_at.to_string(),
            "user": { "id": person.id, "first_name": person.first_name, "last_name": person.last_name },
            "cart": cart(&order.data.cart),
            "product": order.data.product.as_ref().map(product),
        },
    });
    if order.purpose == Purpose::Test {
        // Only there, so that what users get has the form that it always had.
        body["data"]["is_test"] = true.into();
    }
    body
}

fn cart(cart: &CartData) -> Value {
    json!({
        "items": cart.items.iter().map(product).collect::<Vec<_>>(),
        "total": cart.total.map(amount),
        "currency": cart.currency,
    })
}

fn product(product: &Product) -> Value {
    json!({
        "id": product.id,
        "name": product.name,
        "price": product.price.map(amount),
        "currency": product.currency,
        "quantity": product.quantity,
        "image_url": product.image_url,
        "url": product.url,
        "category": product.category,
    })
}

/// Units with their decimals, as shops send prices themselves. A double holds every price below nine
/// billion to the millionth.
fn amount(micros: Micros) -> f64 {
    micros.get() as f64 / 1e6
}
