//! The MineThatData e-mail experiment (Hillstrom 2008): 64,000 customers, by lot to a men's mail, a women's mail or none.
//! The data are not part of the project; without them this says that it is skipped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;

use flate2::read::GzDecoder;
use kairos_engine::money::Micros;
use kairos_statistics::experiment::{Looks, Metric};
use kairos_statistics::rates::Test;
use kairos_statistics::verdict::{Finding, VerdictKind};
use kairos_statistics::{Experiment, ExperimentResult, Sample, Settings, Variant};

use crate::{project, tell};

const DATA: &str = "../shared/data/hillstrom.csv.gz";
const CONTROL: &str = "No E-Mail";

/// The result with visits, and the one with conversions and what was spent.
fn results(settings: &Settings) -> Option<[ExperimentResult; 2]> {
    let file = match File::open(project().join(DATA)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tell(format!("skipped: {DATA} is not there"));
            return None;
        }
        Err(error) => panic!("{DATA}: {error}"),
    };
    let mut rows = csv::Reader::from_reader(GzDecoder::new(file));
    let columns = rows.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let [segment, visit, conversion, spend] = ["segment", "visit", "conversion", "spend"].map(column);
    let mut samples: BTreeMap<String, [Sample; 2]> = BTreeMap::new();
    for row in rows.records() {
        let row = row.unwrap();
        let spent: f64 = row[spend].parse().unwrap();
        let users = [
            Sample::of_user(&row[visit] == "1", Micros::new(0)),
            Sample::of_user(&row[conversion] == "1", Micros::new((spent * 1e6).round() as i64)),
        ];
        let samples = samples.entry(row[segment].to_owned()).or_default();
        for (sample, user) in samples.iter_mut().zip(users) {
            *sample = sample.merge(user).unwrap();
        }
    }
    assert_eq!(samples.values().map(|samples| samples[0].users()).sum::<u64>(), 64_000);
    Some([0, 1].map(|which| {
        let variants =
            samples.iter().map(|(name, samples)| Variant { name: name.clone(), share: 1.0, sample: samples[which] });
        Experiment::new(variants.collect(), CONTROL).unwrap().read(settings).unwrap()
    }))
}

fn statistics(tests: [(&str, Option<Test>); 2]) -> [String; 2] {
    assert_eq!(tests.map(|(name, _)| name), ["Mens E-Mail", "Womens E-Mail"]);
    tests.map(|(_, test)| format!("{:.3}", test.unwrap().statistic))
}

#[test]
fn a_real_experiment_gives_the_figures_that_are_known_of_it() {
    let settings = Settings { looks: Looks::PlannedOnce, ..Settings::default() };
    let Some([visits, orders]) = results(&settings) else { return };
    let of = |result: &ExperimentResult, metric: Metric| {
        let metric = match metric {
            Metric::Conversion => &result.conversion,
            Metric::Revenue => result.revenue.as_ref().unwrap(),
        };
        let [men, women] = &metric.comparisons[..] else { panic!("{:?}", metric.comparisons) };
        statistics([(men.variant.as_str(), men.test), (women.variant.as_str(), women.test)])
    };
    assert_eq!(of(&visits, Metric::Conversion), ["22.486", "13.949"]);
    assert_eq!(of(&orders, Metric::Conversion), ["7.385", "3.780"]);
    assert_eq!(of(&orders, Metric::Revenue), ["5.300", "3.256"]);
    assert!(!visits.sample_ratio.mismatch && visits.revenue.is_none());
    assert_eq!(visits.verdict.kind, VerdictKind::Better);
}

#[test]
fn it_stands_also_for_those_who_look_at_any_time() {
    let Some([_, orders]) = results(&Settings::default()) else { return };
    let revenue = orders.revenue.as_ref().unwrap();
    for metric in [&orders.conversion, revenue] {
        let findings: Vec<&Finding> = metric.comparisons.iter().map(|one| &one.finding).collect();
        assert_eq!(findings, [&Finding::Better, &Finding::Better]);
    }
    let men = revenue.comparisons[0].incremental.unwrap();
    assert!((men.total / 16_404.0 - 1.0).abs() < 0.01, "{men:?}");
    tell(orders.verdict.says.join(" "));
}
