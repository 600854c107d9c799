//! Experiments: users, each once per play, by what they got.

use std::collections::BTreeMap;

use kairos_engine::identifiers::UserKey;
use kairos_engine::money::Micros;
use kairos_engine::name::Name;
use kairos_engine::playbook::{Play, Playbook, Share, Step, Variant as Way};
use kairos_statistics::incremental::Baseline;
use kairos_statistics::{Experiment, ExperimentError, ExperimentResult, Sample, SampleError, Settings, Variant};
use serde::{Deserialize, Serialize};

/// The name of the play's own holdout in facts.
const HOLDOUT: &str = "holdout";
/// The name of the global control group in facts.
const CONTROL_GROUP: &str = "control_group";
/// What those are called here who got messages.
const MESSAGES: &str = "messages";

/// What a play's users got, and whether they reached its goal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposures {
    users: BTreeMap<(Name, UserKey), Exposed>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Exposed {
    /// Once a message was due: the group that was held out, or that messages were sent. Two, when that changed.
    got: Vec<Option<String>>,
    variants: BTreeMap<String, String>,
    converted: bool,
    value: Micros,
}

impl Exposures {
    pub(crate) fn exposed(&mut self, play: &Name, user: UserKey, group: Option<&str>) {
        let got = &mut self.of(play, user).got;
        if !got.iter().any(|known| known.as_deref() == group) {
            got.push(group.map(str::to_owned));
        }
    }

    pub(crate) fn assigned(&mut self, play: &Name, user: UserKey, split: &str, variant: &str) {
        self.of(play, user).variants.entry(split.to_owned()).or_insert_with(|| variant.to_owned());
    }

    pub(crate) fn converted(&mut self, play: &Name, user: UserKey, value: Micros) {
        let exposed = self.of(play, user);
        exposed.converted = true;
        exposed.value = exposed.value.plus(value);
    }

    fn of(&mut self, play: &Name, user: UserKey) -> &mut Exposed {
        self.users.entry((play.clone(), user)).or_default()
    }

    /// The same by persons: what several identities of one person got is one person's.
    pub(crate) fn by(&self, person: impl Fn(UserKey) -> UserKey) -> Self {
        let mut merged = Self::default();
        for ((play, user), exposed) in &self.users {
            let all = merged.of(play, person(*user));
            for group in &exposed.got {
                if !all.got.contains(group) {
                    all.got.push(group.clone());
                }
            }
            for (split, variant) in &exposed.variants {
                all.variants.entry(split.clone()).or_insert_with(|| variant.clone());
            }
            all.converted |= exposed.converted;
            all.value = all.value.plus(exposed.value);
        }
        merged
    }
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The play.
    pub play: Name,
    /// What it is about: the holdout, the control group, or the name of a split.
    pub title: String,
    /// Whom the control is made of.
    pub baseline: Baseline,
    /// The groups, or why they cannot be compared.
    pub experiment: Result<Experiment, String>,
    /// People who got both: the playbook's shares have changed, or two of their identities are one by now. They are left
    /// out.
    pub mixed: u64,
}

/// A comparison with what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The play.
    pub play: String,
    /// What it is about: the holdout, the control group, or the name of a split.
    pub about: String,
    /// People who got both and are left out.
    pub mixed: u64,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ExperimentResult>,
    /// Why it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot_be_read: Option<String>,
}

impl Comparison {
    /// What it says, with the usual settings.
    pub fn read(self) -> Reading {
        let Self { play, title, baseline, experiment, mixed } = self;
        let settings = Settings { baseline, ..Settings::default() };
        let result = experiment.and_then(|experiment| experiment.read(&settings).map_err(|error| error.to_string()));
        let (result, cannot_be_read) = match result {
            Ok(result) => (Some(result), None),
            Err(why) => (None, Some(why)),
        };
        Reading { play: play.to_string(), about: title, mixed, result, cannot_be_read }
    }
}

/// The experiments of a playbook, with who was in them: for each play its holdout and the control group, where it has
/// them, and its splits. Shares are those of the playbook as it is now.
pub fn of_playbook(playbook: &Playbook, exposures: &Exposures) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for play in &playbook.plays {
        let control = if play.to_control_group { Share::none() } else { playbook.policy.control_group };
        for (group, share, baseline) in
            [(HOLDOUT, play.holdout, Baseline::Holdout), (CONTROL_GROUP, control, Baseline::GlobalControlGroup)]
        {
            if share.0 > 0 && share < Share::ALL {
                let rest = f64::from(Share::ALL.0 - share.0);
                let arms = [(MESSAGES, rest), (group, f64::from(share.0))];
                let arm = |exposed: &Exposed| match exposed.got.as_slice() {
                    [None] => Arm::Of(0),
                    [Some(got)] if got == group => Arm::Of(1),
                    [_] | [] => Arm::None,
                    _ => Arm::Mixed,
                };
                comparisons.push(compare(play, group, baseline, group, &arms, exposures, arm));
            }
        }
        let mut splits = Vec::new();
        collect(&play.steps, &mut splits);
        for (split, ways) in splits {
            let arms: Vec<(&str, f64)> =
                ways.iter().map(|way| (way.name.as_str(), f64::from(way.weight.max(1)))).collect();
            let held_out = ways.iter().find(|way| way.holdout).map(|way| way.name.as_str());
            let arm = |exposed: &Exposed| {
                let Some(variant) = exposed.variants.get(split) else { return Arm::None };
                let Some(place) = ways.iter().position(|way| way.name == *variant) else { return Arm::None };
                match exposed.got.as_slice() {
                    // Whoever is held out of the whole play says nothing about its ways.
                    [Some(group)] if Some(group.as_str()) != held_out => Arm::None,
                    [] => Arm::None,
                    [_] => Arm::Of(place),
                    _ => Arm::Mixed,
                }
            };
            let control = held_out.or(arms.first().map(|(name, _)| *name)).unwrap_or_default();
            let baseline = if held_out.is_some() { Baseline::Holdout } else { Baseline::OtherVariant };
            comparisons.push(compare(play, split, baseline, control, &arms, exposures, arm));
        }
    }
    comparisons
}

enum Arm {
    Of(usize),
    None,
    Mixed,
}

fn compare(
    play: &Play,
    title: &str,
    baseline: Baseline,
    control: &str,
    arms: &[(&str, f64)],
    exposures: &Exposures,
    arm: impl Fn(&Exposed) -> Arm,
) -> Comparison {
    let mut samples: Vec<Result<Sample, SampleError>> = vec![Ok(Sample::default()); arms.len()];
    let mut mixed = 0;
    for (_, exposed) in exposures.users.iter().filter(|((of, _), _)| *of == play.name) {
        match arm(exposed) {
            Arm::Of(place) => {
                let user = Sample::of_user(exposed.converted, exposed.value);
                samples[place] = samples[place].and_then(|sample| sample.merge(user));
            }
            Arm::None => {}
            Arm::Mixed => mixed += 1,
        }
    }
    let variants: Result<Vec<Variant>, SampleError> = arms
        .iter()
        .zip(samples)
        .map(|((name, share), sample)| Ok(Variant { name: (*name).to_owned(), share: *share, sample: sample? }))
        .collect();
    let experiment = variants.map_err(|error| error.to_string());
    let of_variants = |variants| Experiment::new(variants, control).map_err(|error: ExperimentError| error.to_string());
    let experiment = experiment.and_then(of_variants);
    Comparison { play: play.name.clone(), title: title.to_owned(), baseline, experiment, mixed }
}

/// The splits among some steps, however deep.
fn collect<'p>(steps: &'p [Step], splits: &mut Vec<(&'p str, &'p [Way])>) {
    for step in steps {
        match step {
            Step::Split { name, variants } => {
                splits.push((name, variants));
                variants.iter().for_each(|variant| collect(&variant.steps, splits));
            }
            Step::WaitUntil { otherwise, .. } => collect(otherwise, splits),
            Step::Branch { then, otherwise, .. } => {
                collect(then, splits);
                collect(otherwise, splits);
            }
            Step::Send { .. } | Step::Wait(_) | Step::WaitForHours(_) | Step::Stop => {}
        }
    }
}
