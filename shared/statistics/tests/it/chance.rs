//! Experiments in which nothing differs, by seeded chance: how often a difference is seen nevertheless when somebody looks
//! every day and stops when there is one. `KAIROS_SEED=N` tries other ones.

use kairos_engine::bounds::EXPERIMENT_CONVERSIONS_MIN;
use kairos_engine::money::Micros;
use kairos_statistics::experiment::Metric;
use kairos_statistics::power::{Demand, USUAL_POWER};
use kairos_statistics::sequential::{self, Tuning};
use kairos_statistics::verdict::VerdictKind;
use kairos_statistics::{Effect, Experiment, Level, Sample, Settings, Variant, means, rates};

use crate::{counts, tell};

const SEED: u64 = 20_261_122;
const ALPHA: f64 = 0.05;
const DAYS: u32 = 28;
const USERS_PER_DAY: u32 = 400;
const EXPERIMENTS: u32 = 1_000;
/// A share of a thousand experiments is off by so much in one of a thousand cases (three standard errors).
const LUCK: f64 = 0.021;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// From the seed, and a name for the purpose.
    fn new(purpose: &str) -> Self {
        let seed = std::env::var("KAIROS_SEED").map_or(SEED, |seed| seed.parse().expect("KAIROS_SEED is a number"));
        tell(format!("{purpose}: KAIROS_SEED={seed}"));
        Self(purpose.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())))
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A standard normal number (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// So many users, each of whom converts at this rate; baskets are log-normal with a median of 40 and a mean of 57.
    fn users(&mut self, users: u32, rate: f64) -> Sample {
        let converted = (0..users).filter(|_| self.unit() < rate).count();
        let mut sample = counts(u64::from(users) - converted as u64, 0);
        for _ in 0..converted {
            let basket = 40.0 * (0.84 * self.normal()).exp();
            sample = sample.merge(Sample::of_user(true, Micros::new((basket * 1e6) as i64))).unwrap();
        }
        sample
    }
}

/// In how many of the experiments a difference was seen on any day.
#[derive(Default)]
struct Seen {
    /// By the figures for one planned look.
    planned: u32,
    /// By the figures for any look.
    anytime: u32,
    /// By the figures for one planned look, at the end alone.
    at_the_end: u32,
}

impl Seen {
    fn share(count: u32) -> f64 {
        f64::from(count) / f64::from(EXPERIMENTS)
    }

    fn is_as_promised(&self, what: &str) {
        let [planned, anytime, at_the_end] = [self.planned, self.anytime, self.at_the_end].map(Self::share);
        tell(format!(
            "{what}, {DAYS} daily looks: seen in {:.1} % by the test for one look, {:.1} % by the one for any time; {:.1} % \
             with one look at the end",
            planned * 100.0,
            anytime * 100.0,
            at_the_end * 100.0
        ));
        assert!(anytime <= ALPHA, "{anytime}");
        assert!(planned > 3.0 * ALPHA, "looking every day at a test for one look is wrong more often: {planned}");
        assert!((at_the_end - ALPHA).abs() < LUCK, "{at_the_end}");
    }
}

/// Looks every day at a control and a variant of the same users.
fn nothing_differs(metric: Metric, rate: f64, random: &mut Random) -> Seen {
    let mut seen = Seen::default();
    for _ in 0..EXPERIMENTS {
        let mut groups = [Sample::default(); 2];
        let (mut by_planned, mut by_anytime, mut last) = (false, false, false);
        for _ in 0..DAYS {
            groups = groups.map(|group| group.merge(random.users(USERS_PER_DAY, rate)).unwrap());
            if groups.iter().any(|group| group.converted() < EXPERIMENT_CONVERSIONS_MIN) {
                continue;
            }
            let [a, b] = groups.map(|group| match metric {
                Metric::Conversion => group.rate().unwrap(),
                Metric::Revenue => group.value().unwrap(),
            });
            let test = match metric {
                Metric::Conversion => rates::pooled_z(&groups[0], &groups[1]),
                Metric::Revenue => means::welch(&a, &b),
            };
            last = test.unwrap().p_value < ALPHA;
            by_planned |= last;
            let effect = Effect::difference(&a, &b);
            let anytime = sequential::p_value(&effect, a.users + b.users, Level::USUAL, Tuning::USUAL).unwrap();
            by_anytime |= anytime < ALPHA;
        }
        seen.planned += u32::from(by_planned);
        seen.anytime += u32::from(by_anytime);
        seen.at_the_end += u32::from(last);
    }
    seen
}

#[test]
fn equal_rates_are_told_apart_as_seldom_as_promised_by_who_looks_every_day() {
    for (name, rate) in [("rates of 5 %", 0.05), ("rates of 1 %", 0.01)] {
        nothing_differs(Metric::Conversion, rate, &mut Random::new(name)).is_as_promised(name);
    }
}

#[test]
fn equal_revenue_is_told_apart_as_seldom_as_promised_by_who_looks_every_day() {
    let name = "log-normal baskets of 5 %";
    nothing_differs(Metric::Revenue, 0.05, &mut Random::new(name)).is_as_promised(name);
}

#[test]
fn no_verdict_names_a_winner_among_equals_more_often_than_promised() {
    let mut random = Random::new("three variants against a control");
    let (experiments, weeks, users) = (200, 8, 1_500);
    for metric in [Metric::Conversion, Metric::Revenue] {
        let settings = Settings { metric, ..Settings::default() };
        let mut named = 0;
        for _ in 0..experiments {
            let mut samples = [Sample::default(); 4];
            for _ in 0..weeks {
                samples = samples.map(|sample| sample.merge(random.users(users, 0.05)).unwrap());
                let variants = samples.iter().enumerate().map(|(index, sample)| Variant {
                    name: index.to_string(),
                    share: 25.0,
                    sample: *sample,
                });
                let result = Experiment::new(variants.collect(), "0").unwrap().read(&settings).unwrap();
                if matches!(result.verdict.kind, VerdictKind::Better | VerdictKind::Worse) {
                    named += 1;
                    break;
                }
            }
        }
        let share = f64::from(named) / f64::from(experiments);
        tell(format!("{metric:?}: a difference among equals in {:.1} % of {experiments} experiments", share * 100.0));
        assert!(share <= ALPHA, "{share}");
    }
}

#[test]
fn a_difference_that_is_there_lies_in_all_intervals_of_all_days_as_often_as_promised_and_is_found() {
    let mut random = Random::new("from 5 % to 7 %");
    let (rate_a, rate_b) = (0.05, 0.07);
    let (mut outside, mut found) = (0, 0);
    for _ in 0..EXPERIMENTS {
        let mut groups = [Sample::default(); 2];
        let (mut left, mut saw) = (false, false);
        for _ in 0..DAYS {
            groups[0] = groups[0].merge(random.users(USERS_PER_DAY, rate_a)).unwrap();
            groups[1] = groups[1].merge(random.users(USERS_PER_DAY, rate_b)).unwrap();
            if groups.iter().any(|group| group.converted() < EXPERIMENT_CONVERSIONS_MIN) {
                continue;
            }
            let [a, b] = groups.map(|group| group.rate().unwrap());
            let effect = Effect::difference(&a, &b);
            let interval = sequential::interval(&effect, a.users + b.users, Level::USUAL, Tuning::USUAL).unwrap();
            left |= !interval.contains(rate_b - rate_a);
            saw |= interval.low > 0.0;
        }
        outside += u32::from(left);
        found += u32::from(saw);
    }
    let (outside, found) = (Seen::share(outside), Seen::share(found));
    tell(format!(
        "the truth was outside on some day in {:.1} %, the difference found in {:.1} %",
        outside * 100.0,
        found * 100.0
    ));
    assert!(outside <= ALPHA && found > 0.9, "{outside} {found}");
}

#[test]
fn as_many_users_as_are_planned_for_find_the_difference_as_often_as_asked() {
    let mut random = Random::new("planned from 10 % to 13 %");
    let (rate_a, rate_b) = (0.10, 0.13);
    let once = Demand::of_one_look(Level::USUAL, USUAL_POWER).unwrap().users_for_rates(rate_a, rate_b).unwrap();
    let any = Demand::of_any_time(Level::USUAL, USUAL_POWER).unwrap().users_for_rates(rate_a, rate_b).unwrap();
    let tuning = Tuning::for_users(2 * any).unwrap();
    let (mut by_one_look, mut by_the_end, mut users) = (0, 0, 0);
    for _ in 0..EXPERIMENTS {
        let [a, b] = [rate_a, rate_b].map(|rate| random.users(once as u32, rate));
        by_one_look += u32::from(rates::pooled_z(&a, &b).unwrap().p_value < ALPHA);
        // Twenty looks, and whoever has found something stops.
        let mut groups = [Sample::default(); 2];
        for _ in 0..20 {
            let more = (any / 20) as u32;
            groups[0] = groups[0].merge(random.users(more, rate_a)).unwrap();
            groups[1] = groups[1].merge(random.users(more, rate_b)).unwrap();
            let [a, b] = groups.map(|group| group.rate().unwrap());
            let effect = Effect::difference(&a, &b);
            if sequential::p_value(&effect, a.users + b.users, Level::USUAL, tuning).is_some_and(|p| p < ALPHA) {
                by_the_end += 1;
                break;
            }
        }
        users += groups[0].users();
    }
    let (by_one_look, by_the_end) = (Seen::share(by_one_look), Seen::share(by_the_end));
    let mean = users as f64 / f64::from(EXPERIMENTS);
    tell(format!(
        "{once} users a group: found in {:.1} % by one look; at most {any}, {mean:.0} on average: in {:.1} % at any time",
        by_one_look * 100.0,
        by_the_end * 100.0
    ));
    assert!((by_one_look - USUAL_POWER).abs() < 2.0 * LUCK, "{by_one_look}");
    assert!(by_the_end > USUAL_POWER - LUCK && mean < any as f64, "{by_the_end}");
}
