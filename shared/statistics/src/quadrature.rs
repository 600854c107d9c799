//! Integrals over densities of which several lie beside each other, exact to about twelve digits and the same each time.
//!
//! The range is cut into panels that are as fine as the narrowest density needs where that one lies. In each, functions are
//! known at the eight nodes of Gauss and Legendre (Abramowitz and Stegun 1964, table 25.4), and so are their integrals up
//! to each node.

/// How many nodes a panel has.
pub(crate) const NODES: usize = 8;

/// Nodes on (−1, 1), and their weights.
const POSITIVE: [(f64, f64); NODES / 2] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_47),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// The rule on (−1, 1).
pub(crate) struct Rule {
    nodes: [f64; NODES],
    weights: [f64; NODES],
    /// What a value at the second node adds to the integral up to the first one.
    up_to: [[f64; NODES]; NODES],
}

/// A piece of the range, with what is needed to integrate over it.
pub(crate) struct Panel<'a> {
    rule: &'a Rule,
    middle: f64,
    half: f64,
}

impl Rule {
    pub(crate) fn new() -> Self {
        let node = |index: usize| match index.checked_sub(NODES / 2) {
            Some(index) => POSITIVE[index],
            None => (-POSITIVE[NODES / 2 - 1 - index].0, POSITIVE[NODES / 2 - 1 - index].1),
        };
        let nodes = std::array::from_fn(|index| node(index).0);
        let weights: [f64; NODES] = std::array::from_fn(|index| node(index).1);
        let legendre = nodes.map(legendre);
        // The polynomial through the values is a sum of Legendre's polynomials P; the rule gives its coefficients exactly,
        // and the integral of P(m) from −1 is (P(m+1) − P(m−1)) / (2m + 1).
        let integral = |to: usize, m: usize| match m {
            0 => legendre[to][1] + 1.0,
            _ => legendre[to][m + 1] - legendre[to][m - 1],
        };
        let up_to = std::array::from_fn(|to| {
            std::array::from_fn(|at| {
                weights[at] / 2.0 * (0..NODES).map(|m| legendre[at][m] * integral(to, m)).sum::<f64>()
            })
        });
        Self { nodes, weights, up_to }
    }

    /// The piece between two points.
    pub(crate) fn panel(&self, from: f64, to: f64) -> Panel<'_> {
        Panel { rule: self, middle: 0.5 * (from + to), half: 0.5 * (to - from) }
    }
}

/// Legendre's polynomials at a point, up to one more than there are nodes.
fn legendre(x: f64) -> [f64; NODES + 1] {
    let mut values = [1.0; NODES + 1];
    values[1] = x;
    for m in 1..NODES {
        let order = m as f64;
        values[m + 1] = ((2.0 * order + 1.0) * x * values[m] - order * values[m - 1]) / (order + 1.0);
    }
    values
}

impl Panel<'_> {
    /// Where values are needed.
    pub(crate) fn nodes(&self) -> [f64; NODES] {
        self.rule.nodes.map(|node| self.middle + self.half * node)
    }

    /// The integral over the panel of what has these values at its nodes.
    pub(crate) fn integral(&self, values: &[f64; NODES]) -> f64 {
        self.half * values.iter().zip(self.rule.weights).map(|(value, weight)| value * weight).sum::<f64>()
    }

    /// The integrals from the panel's beginning to each node.
    pub(crate) fn up_to_nodes(&self, values: &[f64; NODES]) -> [f64; NODES] {
        self.rule.up_to.map(|row| self.half * values.iter().zip(row).map(|(value, weight)| value * weight).sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        let rule = Rule::new();
        let panel = rule.panel(1.0, 3.0);
        for power in 0..8 {
            let primitive = |x: f64| x.powi(power + 1) / f64::from(power + 1);
            let values = panel.nodes().map(|x| x.powi(power));
            let whole = primitive(3.0) - primitive(1.0);
            assert!((panel.integral(&values) / whole - 1.0).abs() < 1e-14);
            for (node, found) in panel.nodes().iter().zip(panel.up_to_nodes(&values)) {
                assert!((found - (primitive(*node) - primitive(1.0))).abs() < 1e-12 * whole, "{power}");
            }
        }
    }
}
