//! What came because of a variant, and would not have come anyway: the difference per user, for all who were exposed.
//!
//! Gordon, Zettelmeyer, Bhargava and Chapsky, A Comparison of Approaches to Advertising Measurement, Marketing Science 38
//! (2019): in a randomised experiment, the effect on those who were exposed is the difference of means times
//! their number. The users who were exposed are taken as they are; what is unsure is the difference.

use serde::{Deserialize, Serialize};

use crate::effect::Interval;

/// With whom users are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Users of a play who would have got its message, and were held out: what the play earned.
    Holdout,
    /// Users who get no message of any play: what all plays together earned.
    GlobalControlGroup,
    /// Users who got another variant: what one variant earned more than that.
    #[default]
    OtherVariant,
}

impl Baseline {
    /// How it is called in a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holdout => "the holdout",
            Self::GlobalControlGroup => "the global control group",
            Self::OtherVariant => "the control variant",
        }
    }
}

/// What came on top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incremental {
    /// With whom it was compared.
    pub against: Baseline,
    /// How many users were exposed.
    pub users: u64,
    /// Conversions, or revenue in units of the currency, that would not have come anyway.
    pub total: f64,
    /// What that lies between, at one planned look.
    pub interval: Option<Interval>,
    /// What it lies between, however often somebody looks.
    pub anytime_interval: Option<Interval>,
}

impl Incremental {
    /// From a difference per user.
    pub(crate) fn of(
        against: Baseline,
        users: u64,
        difference: f64,
        interval: Option<Interval>,
        anytime_interval: Option<Interval>,
    ) -> Self {
        let count = users as f64;
        let all = |interval: Option<Interval>| interval.map(|interval| interval.times(count));
        Self {
            against,
            users,
            total: difference * count,
            interval: all(interval),
            anytime_interval: all(anytime_interval),
        }
    }
}
