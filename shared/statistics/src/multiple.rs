//! Several variants against one control: the more questions, the more answers by chance.

use serde::{Deserialize, Serialize};

/// What is done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979): with it,
    /// a difference is seen where there is none at all in at most the stated share of experiments, however many variants
    /// they have.
    #[default]
    Holm,
    /// Nothing: each comparison is taken alone.
    None,
}

/// The p-values after the correction, in their order. What cannot be tested (`None`) counts as a question that was asked.
pub fn adjusted(p_values: &[Option<f64>], correction: Correction) -> Vec<Option<f64>> {
    if correction == Correction::None {
        return p_values.to_vec();
    }
    let mut order: Vec<(usize, f64)> =
        p_values.iter().enumerate().filter_map(|(index, p_value)| Some((index, (*p_value)?))).collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut adjusted = vec![None; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, (index, p_value)) in order.into_iter().enumerate() {
        largest = largest.max(p_value * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holms_p_values_are_those_of_rs_p_adjust() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        let p_values = [0.01, 0.04, 0.03, 0.005].map(Some);
        for (found, expected) in adjusted(&p_values, Correction::Holm).iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found.unwrap() - expected).abs() < 1e-15);
        }
        assert_eq!(adjusted(&p_values, Correction::None), p_values);
        assert_eq!(adjusted(&[None, Some(0.3)], Correction::Holm), [None, Some(0.6)]);
        assert_eq!(adjusted(&[Some(0.9), Some(0.8)], Correction::Holm), [Some(1.0), Some(1.0)]);
    }
}
