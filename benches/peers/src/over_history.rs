//! The second reading: the thirty conditions over the list of what a user did, as a playbook's conditions stand:
//! each on its own.
//!
//! `history` is a list of objects, the newest first, with `event`, `at` (milliseconds), `row` (its place in the
//! user's history, because events can share a second), `product`, `category`, `brand`, `price` and `total`.
//! Every field is always there, empty or 0 where the event says nothing, so that nobody has to ask whether it is.
//! Where windows begin stands in variables (`week_ago`), so that nobody has to compute it.

use crate::Condition;

/// The conditions.
pub const CONDITIONS: [Condition; 30] = [
    (
        "interested",
        "count(history, #.event == 'view' and #.at > week_ago) >= 3",
        "history.filter(e, e.event == 'view' && e.at > week_ago).size() >= 3",
    ),
    (
        "busy",
        "count(history, #.event == 'view' and #.at > day_ago) >= 10",
        "history.filter(e, e.event == 'view' && e.at > day_ago).size() >= 10",
    ),
    ("has_a_cart", "cart_items > 0", "cart_items > 0"),
    (
        "puts_aside",
        "count(history, #.event == 'cart' and #.at > week_ago) >= 2",
        "history.filter(e, e.event == 'cart' && e.at > week_ago).size() >= 2",
    ),
    (
        "not_bought_of_late",
        "none(history, #.event == 'purchase' and #.at > month_ago)",
        "!history.exists(e, e.event == 'purchase' && e.at > month_ago)",
    ),
    (
        "bought_of_late",
        "some(history, #.event == 'purchase' and #.at > month_ago)",
        "history.exists(e, e.event == 'purchase' && e.at > month_ago)",
    ),
    (
        "loyal",
        "count(history, #.event == 'purchase' and #.at > quarter_ago) >= 3",
        "history.filter(e, e.event == 'purchase' && e.at > quarter_ago).size() >= 3",
    ),
    (
        "big_spender",
        "sum(map(filter(history, #.event == 'purchase'), #.total)) >= 500",
        "history.map(e, e.event == 'purchase', e.total).sum() >= 500.0",
    ),
    (
        "spends_now",
        "sum(map(filter(history, #.event == 'purchase' and #.at > month_ago), #.total)) >= 200",
        "history.map(e, e.event == 'purchase' && e.at > month_ago, e.total).sum() >= 200.0",
    ),
    (
        "curious",
        "len(keys(merge(map(filter(history, #.event == 'view' and #.at > day_ago and #.category != ''), \
         {[#.category]: true})))) >= 3",
        "history.map(e, e.event == 'view' && e.at > day_ago && e.category != '', e.category).distinct().size() >= 3",
    ),
    (
        "comes_back_to_one",
        "some(history as e, e.event == 'view' and e.at > day_ago and \
         count(history as o, o.event == 'view' and o.at > day_ago and o.product == e.product) >= 3)",
        "history.exists(e, e.event == 'view' && e.at > day_ago && \
         history.filter(o, o.event == 'view' && o.at > day_ago && o.product == e.product).size() >= 3)",
    ),
    (
        "looks_then_takes",
        "some(history as e, e.event == 'cart' and e.at > week_ago and \
         some(history as o, o.event == 'view' and o.row < e.row and e.at - o.at < 3600000))",
        "history.exists(e, e.event == 'cart' && e.at > week_ago && \
         history.exists(o, o.event == 'view' && o.row < e.row && e.at - o.at < 3600000))",
    ),
    (
        "left_it",
        "some(history as e, e.event == 'cart' and e.at <= two_hours_ago and \
         none(history as o, o.row > e.row and (o.event == 'cart' or o.event == 'purchase')))",
        "history.exists(e, e.event == 'cart' && e.at <= two_hours_ago && \
         !history.exists(o, o.row > e.row && (o.event == 'cart' || o.event == 'purchase')))",
    ),
    (
        "gone",
        "some(history, #.event == 'view') and none(history, #.event == 'view' and #.at > day_ago)",
        "history.exists(e, e.event == 'view') && !history.exists(e, e.event == 'view' && e.at > day_ago)",
    ),
    (
        "new",
        "none(history, #.event == 'view' and #.at <= week_ago)",
        "!history.exists(e, e.event == 'view' && e.at <= week_ago)",
    ),
    // A visit begins with an event before which half an hour passed without any.
    (
        "returns",
        "count(history as e, e.at > week_ago and none(history as o, o.row < e.row and e.at - o.at < 1800000)) >= 3",
        "history.filter(e, e.at > week_ago && \
         !history.exists(o, o.row < e.row && e.at - o.at < 1800000)).size() >= 3",
    ),
    (
        "regular",
        "count(history, #.event == 'purchase') >= 2 and \
         max(map(filter(history, #.event == 'purchase'), #.at)) - min(map(filter(history, #.event == 'purchase'), #.at)) \
         < 2592000000 * (count(history, #.event == 'purchase') - 1)",
        "history.filter(e, e.event == 'purchase').size() >= 2 && \
         math.greatest(history.map(e, e.event == 'purchase', e.at)) - math.least(history.map(e, e.event == 'purchase', e.at)) \
         < 2592000000 * (history.filter(e, e.event == 'purchase').size() - 1)",
    ),
    (
        "electronics",
        "count(history, #.event == 'view' and #.at > week_ago and startsWith(#.category, 'electronics')) >= 3",
        "history.filter(e, e.event == 'view' && e.at > week_ago && e.category.startsWith('electronics')).size() >= 3",
    ),
    (
        "expensive",
        "count(history, #.event == 'view' and #.at > week_ago and #.price >= 500) >= 2",
        "history.filter(e, e.event == 'view' && e.at > week_ago && e.price >= 500.0).size() >= 2",
    ),
    (
        "bargains",
        "count(history, #.event == 'view' and #.at > week_ago and #.price < 20) >= 5",
        "history.filter(e, e.event == 'view' && e.at > week_ago && e.price < 20.0).size() >= 5",
    ),
    (
        "samsung",
        "count(history, #.event == 'view' and #.at > week_ago and #.brand == 'samsung') >= 2",
        "history.filter(e, e.event == 'view' && e.at > week_ago && e.brand == 'samsung').size() >= 2",
    ),
    (
        "apple",
        "count(history, #.event == 'view' and #.at > week_ago and #.brand == 'apple') >= 2",
        "history.filter(e, e.event == 'view' && e.at > week_ago && e.brand == 'apple').size() >= 2",
    ),
    ("reachable_with_cart", "cart_items > 0 and reachable", "cart_items > 0 && reachable"),
    (
        "window_shopper",
        "count(history, #.event == 'view' and #.at > week_ago) >= 5 and \
         none(history, #.event == 'cart' and #.at > week_ago)",
        "history.filter(e, e.event == 'view' && e.at > week_ago).size() >= 5 && \
         !history.exists(e, e.event == 'cart' && e.at > week_ago)",
    ),
    ("about_to_buy", "buy >= 3 and buy > know", "buy >= 3.0 && buy > know"),
    ("ready", "readiness >= 0.5", "readiness >= 0.5"),
    (
        "phones",
        "some(history as e, e.event == 'view' and contains(e.category, 'smartphone') and \
         none(history as o, o.row > e.row and o.event == 'view' and o.category != ''))",
        "history.exists(e, e.event == 'view' && e.category.contains('smartphone') && \
         !history.exists(o, o.row > e.row && o.event == 'view' && o.category != ''))",
    ),
    ("full_cart", "cart_total >= 300", "cart_total >= 300.0"),
    (
        "vip",
        "sum(map(filter(history, #.event == 'purchase'), #.total)) >= 500 or \
         count(history, #.event == 'purchase' and #.at > quarter_ago) >= 3",
        "history.map(e, e.event == 'purchase', e.total).sum() >= 500.0 || \
         history.filter(e, e.event == 'purchase' && e.at > quarter_ago).size() >= 3",
    ),
    (
        "lapsed",
        "some(history, #.event == 'purchase') and none(history, #.event == 'purchase' and #.at > two_months_ago) and \
         none(history, #.event == 'view' and #.at > two_weeks_ago)",
        "history.exists(e, e.event == 'purchase') && \
         !history.exists(e, e.event == 'purchase' && e.at > two_months_ago) && \
         !history.exists(e, e.event == 'view' && e.at > two_weeks_ago)",
    ),
];
