//! What is counted apart for each value of a detail: the values touched last are kept, and one that has
//! left begins anew.

use kairos_engine::bounds::GROUPS_MAX;
use kairos_engine::money::Currency;
use kairos_engine::playbook::{EventMatch, Property};
use kairos_engine::time::Timestamp;
use serde_json::Value;

use crate::details::{Detail, details, is_meant, micros};
use crate::life::{Done, View};

/// Each kept value with what counts for it, the one touched last at the end.
struct Kept<T>(Vec<(Value, Vec<T>)>);

impl<T> Kept<T> {
    fn touch(&mut self, value: Value, what: T) {
        let position = self.0.iter().position(|(kept, _)| *kept == value);
        let (value, mut all) = position.map_or((value, Vec::new()), |position| self.0.remove(position));
        all.push(what);
        self.0.push((value, all));
        if self.0.len() > GROUPS_MAX {
            self.0.remove(0);
        }
    }
}

/// When events were done, for each kept value. An event counts once for each value it has.
pub(crate) fn grouped_times(view: &View<'_>, of: &[EventMatch], by: &Property) -> Vec<(Value, Vec<Timestamp>)> {
    let mut kept = Kept(Vec::new());
    for done in view.done.iter().filter(|done| is_meant(&done.event, of, done.at)) {
        for value in values(done, by) {
            kept.touch(value, done.at);
        }
    }
    kept.0
}

/// Amounts for each kept value. An amount of a product counts for that product's value, any other for each
/// value of its event.
pub(crate) fn grouped_amounts(
    view: &View<'_>,
    of: &[EventMatch],
    property: &Property,
    currency: Option<Currency>,
    by: &Property,
) -> Vec<(Value, Vec<(Timestamp, i64)>)> {
    let mut kept = Kept(Vec::new());
    for done in view.done.iter().filter(|done| is_meant(&done.event, of, done.at)) {
        let by_values = details(&done.event, by);
        let amounts = details(&done.event, property);
        for value in values(done, by) {
            let counts = |amount: &&Detail<'_>| {
                let one_product = |detail: &Detail<'_>| match (amount.product, detail.product) {
                    (Some(of_amount), Some(of_value)) => std::ptr::eq(of_amount, of_value),
                    _ => true,
                };
                let of_value = by_values.iter().any(|detail| detail.value == value && one_product(detail));
                of_value && (currency.is_none() || amount.currency == currency)
            };
            let mine: Vec<f64> = amounts.iter().filter(counts).filter_map(|amount| amount.value.as_f64()).collect();
            if !mine.is_empty() {
                kept.touch(value, (done.at, mine.into_iter().map(micros).sum()));
            }
        }
    }
    kept.0
}

/// The different values of a detail in an event, in their order.
fn values(done: &Done, by: &Property) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for detail in details(&done.event, by) {
        if !values.contains(&detail.value) {
            values.push(detail.value);
        }
    }
    values
}
