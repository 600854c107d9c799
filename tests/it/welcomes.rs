//! The welcome: once, and only for somebody new.

use kairos_engine::outcome::{PlayOutcome, Reason};
use serde_json::json;

use crate::harness::shopper::now;
use crate::harness::{Shopper, Stage, run};

#[test]
fn somebody_new_is_welcomed_once() {
    run(async {
        let stage = Stage::shared().await;
        let new = Shopper::new("new");
        let traits = json!({"email": new.email, "firstName": "Nia"});
        stage.accept(&[new.identifies(now(), traits.clone())]).await;
        let [record] = stage.sent(new.key(), 1).await.try_into().unwrap();
        assert_eq!((record.play.as_str(), record.subject.as_deref()), ("welcome", Some("Welcome Nia")));
        let again_at = now();
        stage.accept(&[new.identifies(again_at, traits)]).await;
        let stored = stage.applied_to(&new, again_at).await;
        assert_eq!(stored.state.decisions, 1);
        let not_again = PlayOutcome::NotSent { reason: Reason::AlreadyEntered };
        assert_eq!(stored.state.outcomes.last().map(|record| &record.outcome), Some(&not_again));
        assert_eq!(stage.emails_to(&new.email).await.len(), 1);
    });
}

#[test]
fn a_customer_of_long_ago_is_not_welcomed() {
    run(async {
        let stage = Stage::shared().await;
        let known = Shopper::new("known");
        let at = now();
        stage.accept(&[known.is_customer_with_email(at)]).await;
        let stored = stage.applied_to(&known, at).await;
        let excluded = PlayOutcome::NotSent { reason: Reason::Excluded };
        assert_eq!(stored.state.outcomes.last().map(|record| &record.outcome), Some(&excluded));
        assert_eq!(stored.state.decisions, 0);
    });
}
