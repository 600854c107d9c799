//! A shop's own endpoint, played by a real server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::playbook::{CHATBOT_ASKED, CHATBOT_SECRET};
use crate::harness::shopper::{left_so_that_due_in, now};
use crate::harness::{Shopper, Stage, run};
use kairos_engine::time::Span;

#[test]
fn a_receiver_can_verify_and_understand_what_it_gets() {
    run(async {
        let stage = Stage::shared().await;
        let secret = aws_sdk_secretsmanager::Client::new(&stage.config)
            .get_secret_value()
            .secret_id(stage.output("WebhookSecretArn"))
            .send()
            .await
            .unwrap();
        let key = STANDARD.decode(secret.secret_string().unwrap()).unwrap();

        // Known by an id alone: no phone, no email, so the shop's own endpoint is what remains.
        let wim = Shopper::new("by-webhook");
        let left_at = left_so_that_due_in(1);
        stage.accept(&[wim.adds(left_at, "Mug")]).await;
        let [record] = stage.sent(wim.key(), 1).await.try_into().unwrap();

        let [delivered] = stage.receiver.received_with(&wim.user_id).try_into().unwrap();
        let id = &delivered.headers["webhook-id"];
        let timestamp = &delivered.headers["webhook-timestamp"];
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&delivered.body);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(delivered.headers["webhook-signature"], format!("v1,{signature}"));
        assert!((timestamp.parse::<i64>().unwrap() - now().as_secs()).abs() < 60, "signed just now: {timestamp}");
        assert_eq!(delivered.headers["idempotency-key"], record.delivery.to_string());

        let body: Value = serde_json::from_slice(&delivered.body).unwrap();
        assert_eq!(body["data"]["delivery"], record.delivery.to_string());
        assert_eq!(body["data"]["user_id"], wim.user_id.as_str());
        assert_eq!(body["data"]["play"], "abandoned-cart");
        assert_eq!(body["data"]["text"], "Your Mug is waiting");
        let item = &body["data"]["cart"]["items"][0];
        assert_eq!((&item["id"], &item["price"], &item["currency"]), (&"Mug".into(), &19.9.into(), &"EUR".into()));
    });
}

#[test]
fn a_chatbot_gets_a_body_and_headers_of_its_own_whatever_values_say() {
    run(async {
        let stage = Stage::shared().await;
        let secret = format!("{}/webhook/{CHATBOT_SECRET}", stage.stack.stack);
        let secrets = aws_sdk_secretsmanager::Client::new(&stage.config);
        secrets.create_secret().name(secret).secret_string("s3cret").send().await.unwrap();

        let mallory = Shopper::new("by-chatbot");
        let name = r#"Eve", "admin": true, "x": "\"#;
        let asks = json!({ "question": "is it\nthere\"", "n": 3 });
        // Who they are comes first: what is sent together is applied in the order of its times.
        let at = now();
        let known = mallory.identifies(at.minus(Span::from_millis(1)), json!({ "first_name": name }));
        let accepted = stage.post(&[known, mallory.track(at, CHATBOT_ASKED, asks)]).await;
        assert_eq!(accepted.status, 200);
        let [record] = stage.sent(mallory.key(), 1).await.try_into().unwrap();

        let [delivered] = stage.receiver.received_with(&mallory.user_id).try_into().unwrap();
        assert_eq!(delivered.path, "/kairos/chatbot");
        assert_eq!(delivered.headers["authorization"], "Bearer s3cret");
        assert_eq!(delivered.headers["x-shop"], "tests");
        // From the request to the provider, one id.
        let caused_by = accepted.headers["x-correlation-id"].to_str().unwrap();
        assert_eq!(record.correlation.as_ref().unwrap().as_str(), caused_by);
        assert_eq!(delivered.headers["x-correlation-id"], caused_by);
        assert_eq!(delivered.headers["webhook-id"], record.delivery.to_string());
        assert!(delivered.headers["webhook-signature"].starts_with("v1,"));
        let body: Value = serde_json::from_slice(&delivered.body).unwrap();
        let text = format!("{name}, is it there\"?");
        assert_eq!(body, json!({ "to": mallory.user_id, "text": text, "n": 3 }));
        assert!(!format!("{record:?}").contains("s3cret"));
    });
}
