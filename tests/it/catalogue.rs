//! Products: a feed in, a word to those who care out, and what messages show of them.

use std::time::Duration;

use kairos_cli::feed::{FeedFile, send};
use kairos_cli::target::Target;
use kairos_cli::terminal::Progress;
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{
    CatalogueTest, Channel, Interest, LocalizedMessage, Message, Place, Play, Playbook, PlaybookVersion, SmsTemplate,
    Step, Trigger,
};
use kairos_engine::time::{Span, Timestamp};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::harness::shopper::now;
use crate::harness::world::Answer;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run};

/// The playbook of these tests: a play for a price that drops, and one for a product that is back.
pub(crate) fn with_catalogue(webhook_url: &str) -> Playbook {
    let sms = |text: &str| Message {
        default_locale: "en".into(),
        locales: [(
            "en".to_owned(),
            LocalizedMessage { sms: Some(SmsTemplate { text: text.into() }), ..LocalizedMessage::default() },
        )]
        .into(),
        ..Message::default()
    };
    let play = |name: &str, of: CatalogueTest, interest: &[Interest]| Play {
        name: name.into(),
        title: name.into(),
        trigger: Trigger::Catalogue { of: vec![of], interest: interest.to_vec() },
        valid_for: Span::from_hours(24),
        steps: vec![Step::Send { message: name.into(), channels: vec![Channel::Sms], order: Default::default() }],
        ..Play::default()
    };
    let place = |name: &str, title: &str, latitude: f64| Place {
        name: name.into(),
        title: title.into(),
        kind: None,
        latitude,
        longitude: 13.4,
        radius_m: 100,
        address: None,
        url: None,
        time_zone: None,
        hours: Vec::new(),
    };
    let base = playbook::playbook(webhook_url);
    Playbook {
        version: PlaybookVersion("tests-catalogue".into()),
        sources: base.sources,
        channels: base.channels,
        places: vec![place("old_town", "Old Town", 52.51), place("harbour", "Harbour", 52.52)],
        plays: vec![
            play("drop", CatalogueTest::PriceDrop { percent: 10.0 }, &[Interest::Viewed, Interest::Carted]),
            play("back", CatalogueTest::BackInStock, &[Interest::Wished]),
        ],
        messages: [
            ("drop", "{{ product.name }}: {{ product.price | money }}, was {{ product.was | money }}{% for item in related %}; {{ item.name }}: {{ item.price | money }}{% endfor %}"),
            ("back", "{{ product.name }} is back{% if store %} at {{ store.title }}, {{ store.distance_m | distance }}{% endif %}"),
        ]
        .map(|(name, text)| (name.to_owned(), sms(text)))
        .into(),
        ..Playbook::default()
    }
}

impl Stage {
    fn target(&self) -> Target {
        Target::local(self.stack.clone())
    }

    async fn key(&self) -> &str {
        static KEY: OnceCell<String> = OnceCell::const_new();
        KEY.get_or_init(|| async {
            let secrets = aws_sdk_secretsmanager::Client::new(&self.config);
            let answer = secrets.get_secret_value().secret_id(self.target().catalogue_key()).send().await.unwrap();
            answer.secret_string().unwrap().to_owned()
        })
        .await
    }

    async fn feed(&self, key: &str, body: String) -> Answer {
        let url = format!("{}/v1/catalogue", self.stack.function_url("CatalogueUrl").unwrap());
        self.send(self.http.put(url).bearer_auth(key).body(body)).await
    }

    async fn import(&self, products: Value) -> Value {
        let answer = self.feed(self.key().await, products.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// How many messages have been decided for a user when everything is applied that is in their mailbox now.
    async fn decisions_by_now(&self, shopper: &Shopper) -> u64 {
        let at = now();
        self.accept(&[shopper.track(at, "Looked Around", json!({}))]).await;
        self.applied_to(shopper, at).await.state.decisions
    }

    /// Waits until these users, and no others, count as interested in a product.
    async fn interested(&self, product: &str, users: &[&Shopper]) {
        let interests = kairos_cloud::interests::InterestsTable::new(
            self.dynamodb.clone(),
            self.output("InterestsTable").to_owned(),
        );
        eventually(format!("{} users are interested in {product}", users.len()), PATIENCE, async || {
            let count = interests.count_interested(product).await.map_err(|fault| fault.to_string())?;
            if count == users.len() { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
    }
}

fn does(shopper: &Shopper, at: Timestamp, event: &str, product: &str) -> Value {
    let properties = json!({"product_id": product, "name": product, "price": 20, "currency": "EUR"});
    shopper.track(at, event, properties)
}

fn outcomes(answer: &Value) -> Vec<&str> {
    answer["rows"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[test]
fn a_price_drop_reaches_exactly_who_looked_at_the_product() {
    run(async {
        let stage = Stage::catalogue().await;
        let (ida, jon, kim) = (Shopper::new("looked"), Shopper::new("looked-elsewhere"), Shopper::new("carted"));
        let before = json!([
            {"id": "teapot", "name": "Teapot", "price": 20, "currency": "EUR"},
            {"id": "kettle", "name": "Kettle", "price": 20, "currency": "EUR"},
        ]);
        assert_eq!(outcomes(&stage.import(before.clone()).await), ["created", "created"]);
        for (shopper, event, product) in
            [(&ida, "Product Viewed", "teapot"), (&jon, "Product Viewed", "kettle"), (&kim, "Product Added", "teapot")]
        {
            stage.accept(&[shopper.is_customer_with_phone(now()), does(shopper, now(), event, product)]).await;
        }
        stage.interested("teapot", &[&ida, &kim]).await;
        stage.interested("kettle", &[&jon]).await;

        let answer = stage.import(json!([{"id": "teapot", "price": 15.5}, {"id": "kettle", "price": 19.9}])).await;
        assert_eq!(outcomes(&answer), ["updated", "updated"]);
        for shopper in [&ida, &kim] {
            let [record] = stage.sent(shopper.key(), 1).await.try_into().unwrap();
            assert_eq!(record.text.as_deref(), Some("Teapot: 15.50 EUR, was 20.00 EUR"));
            assert!(record.why.contains("price drop of teapot"), "{}", record.why);
        }
        // The kettle became cheaper by too little: its shopper has heard of it and no message was decided.
        assert_eq!(answer["users_told"], 3);
        assert_eq!(stage.decisions_by_now(&jon).await, 0);

        let again = stage.import(json!([{"id": "teapot", "price": 15.5}])).await;
        assert_eq!((outcomes(&again), &again["users_told"]), (vec!["unchanged"], &json!(0)));
        assert_eq!(stage.sms_to(&ida.phone).await.len(), 1);
        assert_eq!(
            stage.import(json!([{"id": "teapot", "price": 22}])).await["users_told"],
            0,
            "a rise is told nobody"
        );
    });
}

#[test]
fn a_message_shows_what_is_related_and_not_bought_or_sold_out() {
    run(async {
        let stage = Stage::catalogue().await;
        let pia = Shopper::new("related");
        let product = |id: &str, stock: u32| {
            let url = format!("https://shop.example/{id}");
            json!({"id": id, "name": id, "price": 20, "currency": "EUR", "category": "teahouse", "url": url, "stock": stock})
        };
        stage
            .import(json!([product("green", 3), product("black", 3), product("white", 0), product("oolong", 3)]))
            .await;
        let order = pia.track(now(), "Order Completed", json!({"products": [{"product_id": "black"}]}));
        stage.accept(&[pia.is_customer_with_phone(now()), order, does(&pia, now(), "Product Viewed", "green")]).await;
        stage.interested("green", &[&pia]).await;
        stage.import(json!([{"id": "green", "price": 10}, {"id": "oolong", "price": 19}])).await;
        let [record] = stage.sent(pia.key(), 1).await.try_into().unwrap();
        assert_eq!(record.text.as_deref(), Some("green: 10.00 EUR, was 20.00 EUR; oolong: 19.00 EUR"));
    });
}

#[test]
fn who_cares_as_a_visitor_and_as_a_user_hears_once() {
    run(async {
        let stage = Stage::catalogue().await;
        let tom = Shopper::new("on-two-devices");
        stage.import(json!([{"id": "pan", "name": "Pan", "price": 20, "currency": "EUR"}])).await;
        let on_the_phone = tom.as_visitor(does(&tom, now(), "Product Viewed", "pan"));
        let at_home = does(&tom, now(), "Product Viewed", "pan");
        stage.accept(&[on_the_phone, tom.is_customer_with_phone(now()), at_home]).await;
        stage.interested("pan", &[&tom, &tom]).await;
        let mut identify = tom.is_customer_with_phone(now());
        identify["anonymousId"] = json!(tom.anonymous_id);
        stage.accept(&[identify]).await;
        let visitor = UserKey::anonymous(&tom.anonymous_id);
        let linked = |stored: &StoredUser| stored.state.forwarded_to == Some(tom.key()) && stored.outbox.is_empty();
        let before = stage.stored_when(visitor, "both are one", linked).await;

        assert_eq!(stage.import(json!([{"id": "pan", "price": 10}])).await["users_told"], 2);
        stage.sent(tom.key(), 1).await;
        let passed_on = |stored: &StoredUser| stored.revision > before.revision && stored.outbox.is_empty();
        stage.stored_when(visitor, "the visitor has passed it on", passed_on).await;
        assert_eq!(stage.decisions_by_now(&tom).await, 1);
    });
}

#[test]
fn who_wished_for_a_product_hears_where_it_is_back() {
    run(async {
        let stage = Stage::catalogue().await;
        let (lia, max) = (Shopper::new("wished"), Shopper::new("only-looked"));
        stage.import(json!([{"id": "jug", "name": "Jug", "stock": {"old_town": 0, "harbour": 0}}])).await;
        let mut wish = does(&lia, now(), "Product Added to Wishlist", "jug");
        wish["context"] = json!({"location": {"latitude": 52.5, "longitude": 13.4}});
        stage.accept(&[lia.is_customer_with_phone(now()), wish]).await;
        stage.accept(&[max.is_customer_with_phone(now()), does(&max, now(), "Product Viewed", "jug")]).await;
        stage.interested("jug", &[&lia, &max]).await;
        stage.import(json!([{"id": "jug", "stock": {"harbour": 4}}])).await;
        let [record] = stage.sent(lia.key(), 1).await.try_into().unwrap();
        assert_eq!(record.text.as_deref(), Some("Jug is back at Harbour, 2.2 km"), "the nearer place has none");
        assert_eq!(stage.decisions_by_now(&max).await, 0);
    });
}

#[test]
fn every_row_that_is_wrong_is_told_with_what_to_write_instead() {
    run(async {
        let stage = Stage::catalogue().await;
        let csv = "id,name,price,currency,stock.old_town,colour\n\
            cup,Cup,4.50,EUR,3,blue\n\
            bowl,Bowl,much,EUR,,\n\
            ,Plate,3,EUR,,\n\
            cup,Cup again,5,EUR,,\n\
            spoon,Spoon,2,,,\n";
        let answer = stage.feed(stage.key().await, csv.into()).await;
        assert_eq!(answer.status, 200);
        let rows: Vec<_> =
            answer.body["rows"].as_array().unwrap().iter().map(|row| (&row["row"], &row["code"])).collect();
        let expected = [
            (json!(1), json!(null)),
            (json!(2), json!("price_unreadable")),
            (json!(3), json!("id_missing")),
            (json!(4), json!("product_twice")),
            (json!(5), json!("currency_missing")),
        ];
        assert_eq!(rows, expected.iter().map(|(row, code)| (row, code)).collect::<Vec<_>>(), "{}", answer.body);
        assert_eq!((&answer.body["created"], &answer.body["refused"]), (&json!(1), &json!(4)));
        assert_eq!(answer.body["ignored_fields"], json!(["colour"]));

        let elsewhere = stage.import(json!([{"id": "cup", "stock": {"oldtown": 1}}])).await;
        let message = elsewhere["rows"][0]["message"].as_str().unwrap();
        assert!(message.contains("did you mean `old_town`"), "{message}");

        for (key, body, status, code) in [
            ("wrong", "[]", 401, "key_wrong"),
            ("", "[]", 401, "key_missing"),
            (stage.key().await, "[{", 400, "body_not_json"),
            (stage.key().await, "", 400, "body_missing"),
        ] {
            let answer = stage.feed(key, body.into()).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
        }
    });
}

#[test]
fn a_file_is_brought_in_from_the_command_line() {
    run(async {
        let stage = Stage::catalogue().await;
        let url = stage.stack.function_url("CatalogueUrl").unwrap();
        let file = FeedFile::read("id,price,currency\nfork,1.50,EUR\nknife,sharp,EUR\n").unwrap();
        let progress = Progress::counted(file.rows(), "products");
        let report = send(&file, &url, stage.key().await, &progress).await.unwrap();
        assert_eq!((report.count("created"), report.count("refused")), (1, 1));
        assert!(report.rows[&2].message.as_deref().unwrap().starts_with("\"sharp\" is no price."));
        let entry = stage.target().catalogue().await.unwrap().get("fork").await.unwrap().unwrap();
        assert_eq!(entry.listing.product.price.unwrap().to_string(), "1.50");
        let wrong = send(&file, &url, "wrong", &progress).await.unwrap_err().to_string();
        assert!(wrong.contains("401") && wrong.contains("CatalogueKeyArn"), "{wrong}");
    });
}

#[test]
fn what_a_feed_left_untold_is_told_by_the_schedule() {
    run(async {
        let stage = Stage::catalogue().await;
        let nan = Shopper::new("told-later");
        let table = kairos_cloud::catalogue::CatalogueTable::new(
            stage.dynamodb.clone(),
            stage.output("CatalogueTable").to_owned(),
        );
        stage.import(json!([{"id": "vase", "name": "Vase", "price": 30, "currency": "EUR"}])).await;
        let viewed = does(&nan, now(), "Product Viewed", "vase");
        stage.accept(&[nan.is_customer_with_phone(now()), viewed]).await;
        stage.interested("vase", &[&nan]).await;

        // The process that wrote this ended before it told anybody.
        use kairos_protocol::catalogue::{Catalogue, Interests, Listing, Ports, Wanted};
        struct Nobody;
        impl Interests for Nobody {
            async fn interested(
                &self,
                _: &str,
                _: u32,
                _: Option<UserKey>,
                _: usize,
            ) -> Result<Vec<UserKey>, kairos_protocol::port::Fault> {
                unreachable!("it ended before")
            }
        }
        let sqs = kairos_cloud::queues::Mailboxes::new(stage.sqs.clone(), stage.output("EventsQueueUrl").to_owned());
        let ports =
            Ports { catalogue: &table, interests: &Nobody, mailboxes: &sqs, clock: &kairos_cloud::clock::SystemClock };
        let mut row = Listing::default();
        (row.product.id, row.product.price) = ("vase".into(), kairos_engine::money::Micros::from_json(&json!(21)));
        let wanted = Wanted::of(&with_catalogue(""));
        let imported = ports.import(&wanted, &[row], now().plus(Span::from_mins(1))).await;
        assert_eq!(imported.announcing, ["vase"]);
        eventually("the index knows of the change", Duration::from_secs(10), async || {
            let mut waiting = Vec::new();
            for shard in 0..kairos_engine::bounds::ANNOUNCE_SHARDS {
                waiting.extend(table.waiting(shard, 10).await.map_err(|fault| fault.to_string())?);
            }
            if waiting.contains(&"vase".to_owned()) { Ok(()) } else { Err(format!("{waiting:?}")) }
        })
        .await;

        let schedule = json!({"source": "kairos.schedule", "action": "announce"});
        stage.engine.invoke("CatalogueFunction", &schedule).await.unwrap();
        let [record] = stage.sent(nan.key(), 1).await.try_into().unwrap();
        assert_eq!(record.text.as_deref(), Some("Vase: 21.00 EUR, was 30.00 EUR"));
        assert!(table.get("vase").await.unwrap().unwrap().announcements.is_empty());
    });
}
