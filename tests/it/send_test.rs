//! What an operator sends to themselves to look at: as users would get it, and counting for nothing.

use kairos_cli::commands::send_test::{SentTest, Wanted, send};
use kairos_cli::target::Target;
use kairos_engine::playbook::Channel;
use kairos_protocol::delivery::Status;
use kairos_protocol::promo_codes::{CodeKey, PromoCodes as _};
use serde_json::json;

use crate::harness::shopper::now;
use crate::harness::{Shopper, Stage, run};

impl Stage {
    async fn test(&self, play: &str, channel: Channel, to: &str, user: Option<&str>) -> SentTest {
        let wanted = Wanted { play, message: None, user, channel, to, language: Some("en") };
        send(&Target::local(self.stack.clone()), &wanted).await.unwrap().expect("the user is known")
    }
}

#[test]
fn a_test_arrives_with_its_mark_and_with_links_that_nobody_counts() {
    run(async {
        let stage = Stage::links().await;
        let test = stage.test("news", Channel::Email, "operator-links@shop.example", None).await;
        let record = test.record.expect("it was taken up");
        assert_eq!((record.status, record.subject.as_deref()), (Status::Sent, Some("[Test] News")));
        let [email] = stage.emails_to("operator-links@shop.example").await.try_into().unwrap();
        assert!(email.body_text.contains("Your cart: https://shop.example/cart\n"), "{}", email.body_text);
    });
}

#[test]
fn a_test_asks_for_no_consent_and_its_links_change_nobodys() {
    run(async {
        let stage = Stage::consent().await;
        let ann = Shopper::new("composed-as");
        let at = now();
        stage.accept(&[ann.track(at, "Looked Around", json!({}))]).await;
        stage.applied_to(&ann, at).await;
        // An offer by email needs to be confirmed here, which nobody has done.
        let test = stage.test("offer", Channel::Email, "operator-offers@shop.example", Some(&ann.user_id)).await;
        assert_eq!(test.record.map(|record| record.status), Some(Status::Sent));
        assert_ne!(test.order.user, ann.key());
        let [email] = stage.emails_to("operator-offers@shop.example").await.try_into().unwrap();
        let link = email.body_text.split_whitespace().next().unwrap();
        assert!(link.ends_with("/u/test"), "{link}");
        let page = stage.http.get(link_at(stage, link)).send().await.unwrap();
        assert!(page.status().is_client_error(), "{}", page.status());
    });
}

fn link_at(stage: &Stage, link: &str) -> String {
    let path = link.split_once("://").and_then(|(_, rest)| rest.split_once('/')).expect("a link has a path").1;
    format!("{}/{path}", stage.stack.function_url("PreferencesUrl").unwrap())
}

#[test]
fn a_test_shows_a_sample_code_and_takes_none() {
    run(async {
        let stage = Stage::promo_codes().await;
        let test = stage.test("own", Channel::Sms, "+4915100000077", None).await;
        assert_eq!(test.record.map(|record| record.status), Some(Status::Sent));
        let [sms] = stage.sms_to("+4915100000077").await.try_into().unwrap();
        let code = sms.message.split_whitespace().last().unwrap_or_default().to_owned();
        let codes = Target::local(stage.stack.clone()).promo_codes().await.unwrap();
        let key = CodeKey::parse(&code).expect("it has the form of a code");
        assert_eq!(codes.load(&key).await.unwrap(), None, "{}", sms.message);
    });
}
