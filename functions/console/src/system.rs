//! The stack itself: its queues, functions and tables, as the page of its health shows them.

use aws_sdk_sqs::Client as Sqs;
use aws_types::SdkConfig;
use kairos_cloud::dead_letters::WatchedQueue;
use kairos_cloud::environment::{MissingSetting, required};

use crate::metrics::Metrics;

/// The functions, by the end of their names.
pub const FUNCTIONS: [&str; 15] = [
    "ingest",
    "decide",
    "timers",
    "segmentation",
    "catalogue",
    "delivery",
    "redeem",
    "links",
    "inbox",
    "preferences",
    "callbacks",
    "feedback",
    "archive",
    "reports",
    "console",
];

/// The stack.
#[derive(Debug)]
pub struct System {
    /// Its name, with which its functions' begin.
    pub stack: String,
    /// Its queues.
    pub queues: Vec<WatchedQueue>,
    /// Its tables, by their names in DynamoDB.
    pub tables: Vec<String>,
    /// What is measured of it.
    pub metrics: Metrics,
}

impl System {
    /// The stack of the environment (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment(config: &SdkConfig) -> Result<Self, MissingSetting> {
        let sqs = Sqs::new(config);
        let queue = |name, (url, dead_letters_url)| WatchedQueue::new(sqs.clone(), name, url, dead_letters_url);
        Ok(Self {
            stack: required("STACK_NAME")?,
            queues: vec![
                queue("mailboxes", (required("EVENTS_QUEUE_URL")?, required("EVENTS_DEAD_LETTERS_URL")?)),
                queue("deliveries", (required("DELIVERIES_QUEUE_URL")?, required("DELIVERIES_DEAD_LETTERS_URL")?)),
                queue("alarms", (required("ALARMS_QUEUE_URL")?, required("ALARMS_DEAD_LETTERS_URL")?)),
                queue("feedback", (required("FEEDBACK_QUEUE_URL")?, required("FEEDBACK_DEAD_LETTERS_URL")?)),
            ],
            tables: required("TABLES")?.split(',').map(str::to_owned).collect(),
            metrics: Metrics::new(config),
        })
    }

    /// The full name of a function.
    pub fn function(&self, name: &str) -> String {
        format!("{}-{name}", self.stack)
    }

    /// The queue of this name.
    pub fn queue(&self, name: &str) -> Option<&WatchedQueue> {
        self.queues.iter().find(|queue| queue.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_function_of_the_template_is_shown() {
        let template = include_str!("../../../template.yaml");
        let binaries = template.split("{Binary: ").skip(1).filter_map(|rest| rest.split('}').next());
        assert_eq!(binaries.collect::<BTreeSet<_>>(), BTreeSet::from(FUNCTIONS));
    }
}
