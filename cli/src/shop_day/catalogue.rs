//! What the shop sells.

use serde_json::{Value, json};

/// A product of the shop.
#[derive(Debug)]
pub(super) struct Article {
    pub(super) id: &'static str,
    name: &'static str,
    category: &'static str,
    pub(super) price_cents: u32,
}

const fn article(id: &'static str, name: &'static str, category: &'static str, price_cents: u32) -> Article {
    Article { id, name, category, price_cents }
}

pub(super) const ARTICLES: [Article; 16] = [
    article("moka-pot-6", "Moka pot, 6 cups", "Coffee", 3_490),
    article("hand-grinder", "Hand grinder with steel burrs", "Coffee", 8_900),
    article("pour-over-set", "Pour-over set", "Coffee", 4_250),
    article("gooseneck-kettle", "Gooseneck kettle", "Coffee", 5_990),
    article("house-espresso-1kg", "House espresso, 1 kg", "Coffee", 2_380),
    article("ethiopia-250g", "Ethiopia Guji, 250 g", "Coffee", 1_190),
    article("stoneware-mug", "Stoneware mug, sand", "Tableware", 1_650),
    article("mug-set-4", "Set of four mugs", "Tableware", 5_600),
    article("cast-iron-teapot", "Cast iron teapot", "Tea", 6_450),
    article("sencha-100g", "Sencha, 100 g", "Tea", 1_420),
    article("chai-mix", "Chai mix", "Tea", 980),
    article("linen-apron", "Linen apron", "Kitchen", 4_700),
    article("bread-knife", "Bread knife, walnut", "Kitchen", 7_200),
    article("oak-board", "Oak cutting board", "Kitchen", 3_900),
    article("enamel-pan", "Enamel pan, 24 cm", "Kitchen", 6_900),
    article("dutch-oven", "Dutch oven, 4.2 l", "Kitchen", 15_900),
];

impl Article {
    /// The product as events name it, with picture and link.
    pub(super) fn to_json(&self, quantity: u32) -> Value {
        json!({
            "product_id": self.id,
            "name": self.name,
            "category": self.category,
            "price": f64::from(self.price_cents) / 100.0,
            "currency": "EUR",
            "quantity": quantity,
            "image_url": format!("https://shop.example/pictures/{}.jpg", self.id),
            "url": self.url(),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("https://shop.example/products/{}", self.id)
    }
}
