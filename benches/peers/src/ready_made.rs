//! The first reading: the thirty conditions over ready-made counts, sums and times.

use serde_json::{Value, json};

use crate::Condition;

/// The conditions.
pub const CONDITIONS: [Condition; 30] = [
    ("interested", "views_7d >= 3", "views_7d >= 3.0"),
    ("busy", "views_1d >= 10", "views_1d >= 10.0"),
    ("has_a_cart", "cart_items > 0", "cart_items > 0.0"),
    ("puts_aside", "adds_7d >= 2", "adds_7d >= 2.0"),
    ("not_bought_of_late", "not (orders_30d >= 1)", "!(orders_30d >= 1.0)"),
    ("bought_of_late", "orders_30d >= 1", "orders_30d >= 1.0"),
    ("loyal", "orders_90d >= 3", "orders_90d >= 3.0"),
    ("big_spender", "spent >= 500", "spent >= 500.0"),
    ("spends_now", "spent_30d >= 200", "spent_30d >= 200.0"),
    ("curious", "categories_1d >= 3", "categories_1d >= 3.0"),
    ("comes_back_to_one", "same_product_1d >= 3", "same_product_1d >= 3.0"),
    ("looks_then_takes", "taken_ago_s < 604800", "taken_ago_s < 604800.0"),
    ("left_it", "added_ago_s >= 7200 and not ordered_since", "added_ago_s >= 7200.0 && !ordered_since"),
    ("gone", "viewed_ago_s >= 86400", "viewed_ago_s >= 86400.0"),
    ("new", "not (first_ago_s >= 604800)", "!(first_ago_s >= 604800.0)"),
    ("returns", "visits_7d >= 3", "visits_7d >= 3.0"),
    ("regular", "interval_s < 2592000", "interval_s < 2592000.0"),
    ("electronics", "electronics_7d >= 3", "electronics_7d >= 3.0"),
    ("expensive", "expensive_7d >= 2", "expensive_7d >= 2.0"),
    ("bargains", "bargains_7d >= 5", "bargains_7d >= 5.0"),
    ("samsung", "samsung_7d >= 2", "samsung_7d >= 2.0"),
    ("apple", "apple_7d >= 2", "apple_7d >= 2.0"),
    ("reachable_with_cart", "cart_items > 0 and reachable", "cart_items > 0.0 && reachable"),
    ("window_shopper", "views_7d >= 5 and not (adds_7d >= 1)", "views_7d >= 5.0 && !(adds_7d >= 1.0)"),
    ("about_to_buy", "buy >= 3 and buy > know", "buy >= 3.0 && buy > know"),
    ("ready", "readiness >= 0.5", "readiness >= 0.5"),
    ("phones", "contains(category, 'smartphone')", "category.contains('smartphone')"),
    ("full_cart", "cart_total >= 300", "cart_total >= 300.0"),
    ("vip", "spent >= 500 or orders_90d >= 3", "spent >= 500.0 || orders_90d >= 3.0"),
    (
        "lapsed",
        "ordered_ago_s >= 5184000 and not (views_14d >= 1)",
        "ordered_ago_s >= 5184000.0 && !(views_14d >= 1.0)",
    ),
];

/// Sets of variables that are made ready; events take them in turn.
const SETS: usize = 64;

/// The sets of variables.
pub fn sets() -> Vec<Value> {
    (0..SETS).map(variables).collect()
}

/// The variables of some user: different for each number, as numbers of users are.
fn variables(number: usize) -> Value {
    let some = |prime: usize, below: usize| ((number + 1) * prime % below) as f64;
    json!({
        "views_7d": some(7, 12), "views_1d": some(5, 14), "views_14d": some(3, 4), "cart_items": some(3, 3),
        "adds_7d": some(11, 4), "orders_30d": some(13, 3), "orders_90d": some(17, 5), "spent": some(97, 900),
        "spent_30d": some(89, 400), "categories_1d": some(19, 6), "same_product_1d": some(23, 5),
        "taken_ago_s": some(50_021, 1_000_000), "added_ago_s": some(1_009, 20_000), "ordered_since": number.is_multiple_of(2),
        "viewed_ago_s": some(7_919, 200_000), "first_ago_s": some(60_013, 2_000_000), "visits_7d": some(29, 6),
        "interval_s": some(70_001, 5_000_000), "electronics_7d": some(31, 6), "expensive_7d": some(37, 4),
        "bargains_7d": some(41, 9), "samsung_7d": some(43, 4), "apple_7d": some(47, 4), "reachable": !number.is_multiple_of(3),
        "buy": some(53, 7), "know": some(59, 7), "readiness": some(61, 100) / 100.0,
        "category": if number.is_multiple_of(4) { "electronics.smartphone" } else { "furniture.kitchen.table" },
        "cart_total": some(83, 700), "ordered_ago_s": some(80_021, 9_000_000),
    })
}
