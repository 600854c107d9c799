//! Every bound of the system, in one place, with the relations between them asserted when it compiles.
//!
//! A bound that lives elsewhere is a bound nobody finds. Units come last in the names.

use crate::time::Span;

// ---- What a client may send (Segment's published API limits, which clients rely on) ----

/// Largest single event, in bytes of its JSON text.
pub const EVENT_BYTES_MAX: usize = 32 * 1024;
/// Largest request body after decompression, in bytes.
pub const BATCH_BYTES_MAX: usize = 500 * 1024;
/// Most events in one request.
pub const BATCH_EVENTS_MAX: usize = 2_500;
/// Longest user id, anonymous id, group id or message id, in bytes.
pub const ID_BYTES_MAX: usize = 255;
/// Values of one metric in a line of CloudWatch's embedded metric format, which takes no more.
pub const METRIC_VALUES_MAX: usize = 100;
/// Bytes of a correlation id: Lambda's request ids have 36.
pub const CORRELATION_ID_BYTES_MAX: usize = 64;
/// Longest event, page or screen name, in bytes.
pub const EVENT_NAME_BYTES_MAX: usize = 200;
/// Longest single text that is kept from an event (product name, trait, address), in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// Longest link (picture, product page) that is kept, in bytes.
pub const LINK_BYTES_MAX: usize = 680;
/// Deepest nesting of an event's JSON that is read.
pub const JSON_DEPTH_MAX: usize = 32;
/// Most products that are read from one event.
pub const PRODUCTS_PER_EVENT_MAX: usize = 100;

// ---- The mailbox ----

/// Largest mailbox message, in bytes. One SQS billing chunk is 64 KB; several are allowed so that a
/// maximal event always fits beside its envelope.
pub const MAILBOX_MESSAGE_BYTES_MAX: usize = 200 * 1024;
/// Most inputs packed into one mailbox message.
pub const MAILBOX_INPUTS_MAX: usize = 350;
/// SQS: most entries of one SendMessageBatch call.
pub const QUEUE_BATCH_ENTRIES_MAX: usize = 10;
/// SQS: most bytes of one SendMessageBatch call (256 KiB, the limit that holds in every region).
pub const QUEUE_BATCH_BYTES_MAX: usize = 256 * 1024;
/// SQS: longest delay of one message.
pub const QUEUE_DELAY_MAX: Span = Span::from_secs(900);
/// Calls to a queue under way at once for what one function has to send.
pub const QUEUE_LANES_MAX: usize = 8;
/// How often an actor may forward an input that was meant for a linked identity before it keeps it.
pub const FORWARD_HOPS_MAX: u8 = 4;

// ---- What is remembered of a user ----

/// Ids of recent inputs, to recognise a client's retry beyond the queue's own five minutes.
pub const SEEN_INPUTS_MAX: usize = 64;
/// Mailbox messages remembered as a whole: those that were applied but perhaps never acknowledged, which
/// may come back from a dead-letter queue long after, and those with many inputs. Kept apart from the
/// recent inputs, so that ordinary traffic does not push them out.
pub const MESSAGES_REMEMBERED_MAX: usize = 64;
/// A mailbox message with more inputs than this is remembered as a whole too.
pub const INPUTS_REMEMBERED_SINGLY_MAX: usize = 16;
/// Products kept in a cart; the ones changed longest ago leave first.
pub const CART_ITEMS_MAX: usize = 20;
/// Recent outcomes kept for `kairos why`.
pub const OUTCOMES_KEPT_MAX: usize = 16;
/// Traits kept, of those the playbook asks for.
pub const TRAITS_MAX: usize = 32;
/// Texts kept of a trait that is a list; each is kept to a part of [`LAST_VALUE_BYTES_MAX`].
pub const TRAIT_LIST_ENTRIES_MAX: usize = 8;
/// Longest name of a trait that conditions may ask for, in bytes.
pub const TRAIT_NAME_BYTES_MAX: usize = 64;
/// Longest name of an event that is kept beside a deadline, in bytes: only people read it.
pub const EVENT_NAME_BYTES_KEPT_MAX: usize = 54;
/// Largest stored state, in bytes, when everything in it is as long as it may be. Real users need
/// under 1 KB; the outbox stands beside it in the same item.
pub const STATE_BYTES_MAX: usize = 147 * 1024;

/// Most bytes that all registers of a playbook may take in one user's state.
pub const REGISTER_BYTES_MAX: usize = 20 * 1024;
/// Different values of a detail that are counted apart for one user: those seen last.
pub const GROUPS_MAX: usize = 8;
/// Products whose purchases are remembered apart for one user: those bought last.
pub const REFILLS_MAX: usize = 8;
/// Longest value of a detail that is remembered, in bytes.
pub const LAST_VALUE_BYTES_MAX: usize = 128;
/// Parts into which the window of a sum is cut.
pub const SUM_BUCKETS: usize = 30;
/// Longest fact about a visit that is remembered (a campaign, a city), in bytes.
pub const FACT_BYTES_MAX: usize = 64;
/// Longest id of a product that is remembered apart (interest, purchases), in bytes.
pub const PRODUCT_KEY_BYTES_MAX: usize = 64;
/// Longest name of a product that is kept, in bytes.
pub const PRODUCT_NAME_BYTES_MAX: usize = 200;
/// Longest category of a product that is kept, in bytes.
pub const CATEGORY_BYTES_MAX: usize = 96;
/// Products looked at last that are kept, when messages or plays ask for them.
pub const VIEWED_MAX: usize = 6;
/// Products bought last that are kept, so that messages do not offer them again, when messages show related ones.
pub const BOUGHT_MAX: usize = 12;
/// Products that a user is known to care about: those of the newest interest.
pub const INTERESTS_MAX: usize = 20;
/// How long interest in a product lasts.
pub const INTEREST_RETENTION: Span = Span::from_secs(90 * 24 * 60 * 60);
/// Plays on whose way one user can be at once.
pub const RUNS_MAX: usize = 8;
/// Longest name or link of a product that a play on its way, or the list of viewed products, keeps, in bytes.
pub const SUBJECT_TEXT_BYTES_MAX: usize = 300;
/// Longest sentence about what started a play, in bytes.
pub const WHY_BYTES_MAX: usize = 240;
/// Properties of an event that a play on its way keeps for its messages, and the longest of each, in bytes.
pub const EVENT_PROPERTIES_MAX: usize = 6;
/// Longest name of such a property, in bytes.
pub const EVENT_PROPERTY_NAME_BYTES_MAX: usize = 48;
/// Longest property of an event that a play on its way keeps, in bytes.
pub const EVENT_PROPERTY_BYTES_MAX: usize = 96;
/// Browsers in which one user gets notifications: those told of last.
pub const WEB_PUSH_SUBSCRIPTIONS_MAX: usize = 5;
/// Longest address of a browser at its push service, in bytes; the longest in use have about 500.
pub const WEB_PUSH_ENDPOINT_BYTES_MAX: usize = 600;
/// Devices on which one user gets notifications of the app: those told of last.
pub const MOBILE_DEVICES_MAX: usize = 5;
/// Shortest token of a device that is taken, in bytes.
pub const MOBILE_TOKEN_BYTES_MIN: usize = 16;
/// Longest token of a device that is taken, in bytes: Apple's have 64 or 160 and are said to stay below 200, Google's have
/// about 160.
pub const MOBILE_TOKEN_BYTES_MAX: usize = 256;
/// Longest name of a device that is kept, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 48;
/// Longest version of the words that somebody agrees to, in bytes.
pub const WORDING_BYTES_MAX: usize = 32;
/// Places in which one user can be at once.
pub const PLACES_INSIDE_MAX: usize = 8;
/// How long somebody counts as being in a place without news of where they are.
pub const PLACE_STAY: Span = Span::from_hours(2);
/// How long it takes until a message, or an answer to one, counts half for the channel that a user answers to most, in days.
pub const ENGAGEMENT_HALF_LIFE_DAYS: u16 = 60;
/// Of a channel nothing is known at first: that counts as so many messages …
pub const ENGAGEMENT_PRIOR_MESSAGES: f64 = 4.0;
/// … of which this share was answered. Powers of two, so that channels of which nothing is known are exactly alike.
pub const ENGAGEMENT_PRIOR: f64 = 0.125;
/// A visit begins with the first event after this time without any (as Google Analytics counts sessions).
pub const VISIT_GAP: Span = Span::from_mins(30);
/// The strength of a moment stops here.
pub const MOMENT_STRENGTH_MAX: f64 = 1_000.0;
/// Steps of plays that one instant may lead through for one user, circles of triggers included.
pub const STEPS_PER_INSTANT_MAX: usize = 256;
/// How often segment changes of one instant may lead to further ones.
pub const SEGMENT_ROUNDS_MAX: usize = 4;

// ---- The playbook ----

/// Largest file of a playbook, in bytes.
pub const PLAYBOOK_FILE_BYTES_MAX: usize = 256 * 1024;
/// Most files in a playbook.
pub const PLAYBOOK_FILES_MAX: usize = 500;
/// Largest compiled playbook, in bytes: it is one DynamoDB item (400 KB).
pub const PLAYBOOK_BYTES_MAX: usize = 380 * 1024;
/// Most bytes of all files of a playbook together.
pub const PLAYBOOK_TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most plays in a playbook, and most plays in which a user is remembered.
pub const PLAYS_MAX: usize = 64;
/// Most steps in one play, all ways counted.
pub const STEPS_PER_PLAY_MAX: usize = 64;
/// Most segments in a playbook, and most segments of earlier playbooks that a publication names.
pub const SEGMENTS_MAX: usize = 100;
/// Most conditions that are watched for every user: segments, and plays that start when something becomes
/// true or at a time.
pub const WATCHED_CONDITIONS_MAX: usize = 256;
/// Most registers that a playbook may ask for.
pub const REGISTERS_MAX: usize = 256;
/// Most conditions in a playbook, all parts counted.
pub const CONDITIONS_MAX: usize = 4_000;
/// Most times a register keeps: the largest number a condition may ask for within a span.
pub const TIMES_KEPT_MAX: u32 = 50;
/// Most conditions joined by one `all` or `any`.
pub const CONDITION_PARTS_MAX: usize = 100;
/// Most events named together.
pub const EVENTS_MAX: usize = 100;
/// Most details asked of one event.
pub const FILTERS_MAX: usize = 20;
/// Most events in a sequence.
pub const SEQUENCE_STEPS_MAX: usize = 10;
/// Most values that one test compares with.
pub const ONE_OF_MAX: usize = 100;
/// Most caps of the policy.
pub const POLICY_CAPS_MAX: usize = 8;
/// Most places in a playbook.
pub const PLACES_MAX: usize = 1_000;
/// Largest radius of a place, in metres.
pub const PLACE_RADIUS_M_MAX: u32 = 20_000;
/// Most variants of an experiment.
pub const VARIANTS_MAX: usize = 10;
/// Largest weight of a variant.
pub const VARIANT_WEIGHT_MAX: u32 = 10_000;
/// Largest priority of a play, and smallest with a minus.
pub const PRIORITY_MAX: i32 = 1_000;
/// Largest number that a play may call low stock.
pub const LOW_STOCK_AT_MOST_MAX: u32 = 10_000;
/// Most messages per cap window; a cap keeps that many timestamps per user.
pub const CAP_AT_MOST_MAX: u32 = 20;
/// Most macro-conversions of a playbook.
pub const MACRO_CONVERSIONS_MAX: usize = 20;
/// Most micro-conversions of a playbook.
pub const MICRO_CONVERSIONS_MAX: usize = 50;
/// Most funnels of a playbook.
pub const FUNNELS_MAX: usize = 30;
/// Most steps of a funnel.
pub const FUNNEL_STEPS_MAX: usize = 10;
/// Deepest nesting of conditions.
pub const CONDITION_DEPTH_MAX: usize = 16;
/// Longest wait, validity or window a play may name.
pub const PLAY_SPAN_MAX: Span = Span::from_secs(400 * 24 * 60 * 60);

// ---- Reading a playbook, and feeds ----

/// Most values of one file of a playbook, those counted that aliases repeat.
pub const YAML_NODES_MAX: usize = 100_000;
/// Most YAML aliases of one file.
pub const YAML_ALIASES_MAX: usize = 1_000;
/// Deepest nesting of a file: the deepest conditions fit, and so does the reader into a thread's usual stack.
pub const YAML_DEPTH_MAX: usize = 40;
/// Most problems told at once: who has made more begins with these.
pub const DIAGNOSTICS_MAX: usize = 1_000;
/// Most names in a playbook that are remembered to be looked up.
pub const REFERENCES_MAX: usize = 50_000;
/// Longest path of a detail, in bytes.
pub const PROPERTY_PATH_BYTES_MAX: usize = 255;
/// Most products that a condition on the cart can ask for.
pub const CART_COUNT_MAX: u32 = 100_000;
/// Largest number that can be asked of a plain count.
pub const COUNT_EVER_MAX: u32 = 1_000_000;
/// Habits are counted up to here.
pub const HABIT_COUNT_MAX: u32 = 65_535;
/// How often the command line sends a part of a feed while the server says "later".
pub const FEED_TRIES_MAX: u32 = 6;

// ---- Messages ----

/// Largest template source, in bytes.
pub const TEMPLATE_SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Templates that a thread keeps ready to run.
pub const PREPARED_TEMPLATES_MAX: usize = 64;
/// Their sources together, in bytes; ready to run they take a few times as much.
pub const PREPARED_TEMPLATES_BYTES_MAX: usize = 512 * 1024;
/// Largest rendered text of any channel, in bytes.
pub const RENDERED_BYTES_MAX: usize = 128 * 1024;
/// Most iterations of all loops of one rendering.
pub const TEMPLATE_ITERATIONS_MAX: usize = 1_000;
/// Longest `{{ … }}` or `{% … %}` of a template, in bytes.
pub const TEMPLATE_TAG_BYTES_MAX: usize = 1024;
/// Longest format of the filter `date`, in bytes: each of its directives may be padded to 255 characters.
pub const TEMPLATE_DATE_FORMAT_BYTES_MAX: usize = 64;
/// Deepest nesting of a template's blocks; each `elsif` is one deeper.
pub const TEMPLATE_DEPTH_MAX: usize = 16;
/// Most content blocks of a playbook.
pub const BLOCKS_MAX: usize = 100;
/// Deepest inclusion of content blocks in each other.
pub const BLOCK_DEPTH_MAX: usize = 4;
/// Most parameters of a content block.
pub const BLOCK_PARAMETERS_MAX: usize = 8;
/// Most bytes of text that one rendering may read and write on the way (variables read, filters).
pub const TEMPLATE_WORK_BYTES_MAX: usize = 8 * RENDERED_BYTES_MAX;
/// Longest SMS, in characters: ten concatenated segments of 153 (SNS refuses more than 1,600).
pub const SMS_CHARS_MAX: usize = 1_530;
/// Longest answer to HELP by SMS, in characters: two segments in any alphabet.
pub const HELP_CHARS_MAX: usize = 134;
/// Longest Telegram message, in UTF-16 units after its markup is read (Bot API, `sendMessage`).
pub const TELEGRAM_CHARS_MAX: usize = 4_096;
/// Longest text of a Telegram message with a picture, counted likewise (`sendPhoto`).
pub const TELEGRAM_CAPTION_CHARS_MAX: usize = 1_024;
/// Longest Viber message, in characters.
pub const VIBER_CHARS_MAX: usize = 7_000;
/// Longest text of a Viber message with a picture, in characters.
pub const VIBER_CAPTION_CHARS_MAX: usize = 768;
/// Largest Viber message with all that belongs to it, in bytes.
pub const VIBER_BYTES_MAX: usize = 30_000;
/// Largest text of a Viber message, in bytes of its JSON: the rest is for its links.
pub const VIBER_TEXT_BYTES_MAX: usize = 16_000;
/// Longest id of a user of Viber, in bytes.
pub const VIBER_ID_BYTES_MAX: usize = 64;
/// Longest text on a button of a chat, in characters: a phone shows no more.
pub const BUTTON_CHARS_MAX: usize = 64;
/// Longest link in a chat (picture, button), in bytes.
pub const CHAT_LINK_BYTES_MAX: usize = 2_000;
/// Most parameters of a WhatsApp template.
pub const WHATSAPP_PARAMETERS_MAX: usize = 20;
/// Longest parameter of a WhatsApp template, and of all of them together, in characters: the body with its
/// parameters must not be longer.
pub const WHATSAPP_CHARS_MAX: usize = 1_024;
/// Longest heading of a message on a page, in characters.
pub const ON_SITE_TITLE_CHARS_MAX: usize = 120;
/// Longest text of a message on a page, in characters: more covers a phone's window.
pub const ON_SITE_TEXT_CHARS_MAX: usize = 600;
/// Longest name of a place on a page, in characters.
pub const ON_SITE_SLOT_CHARS_MAX: usize = 64;
/// Largest message on a page as it is stored, in bytes of its JSON.
pub const INBOX_MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Most messages on a page that are kept for one user, those included that are closed; the oldest leave first.
pub const INBOX_MESSAGES_MAX: usize = 20;
/// The longest that a message waits for its user to come to the site, however long its moment is valid.
pub const INBOX_RETENTION: Span = Span::from_secs(14 * 24 * 60 * 60);
/// Largest body of a request to the inbox, in bytes.
pub const INBOX_BYTES_MAX: usize = 4 * 1024;
/// How long the key that users are verified with is used before it is asked for again.
pub const INBOX_KEY_REFRESH: Span = Span::from_mins(5);
/// Most related products shown to a template.
pub const RELATED_MAX: usize = 6;
/// Related products looked at beyond those that are shown: some are sold out since the index was asked.
pub const RELATED_SPARE: usize = 6;
/// So many products of a category are asked for: as many as are left when everything that may be left out is among them.
pub const RELATED_ASKED_MAX: usize = RELATED_MAX + RELATED_SPARE + 1 + MESSAGE_ITEMS_MAX + BOUGHT_MAX;
/// Shards of a category in the catalogue's index; each is one index partition key.
pub const CATEGORY_SHARDS: u32 = 4;
/// Longest first line of a notification, in characters: devices show fewer.
pub const WEB_PUSH_TITLE_CHARS_MAX: usize = 100;
/// Longest text of a notification, in characters: devices show fewer.
pub const WEB_PUSH_BODY_CHARS_MAX: usize = 300;
/// Longest link in a notification (pictures, page), in bytes.
pub const WEB_PUSH_LINK_BYTES_MAX: usize = 680;
/// Most webhooks of a playbook.
pub const WEBHOOKS_MAX: usize = 20;
/// Most headers of a webhook.
pub const WEBHOOK_HEADERS_MAX: usize = 16;
/// Longest name of a header, in bytes.
pub const WEBHOOK_HEADER_NAME_BYTES_MAX: usize = 64;
/// Longest value of a header, in bytes, with its secret.
pub const WEBHOOK_HEADER_BYTES_MAX: usize = 2 * 1024;
/// Longest topic of a notification, in characters of base64url (RFC 8030, section 5.4).
pub const WEB_PUSH_TOPIC_CHARS_MAX: usize = 32;
/// Longest contact that push services are told, in bytes.
pub const WEB_PUSH_CONTACT_BYTES_MAX: usize = 255;
/// Largest content of a notification, in bytes: what a record of 4,096 leaves beside its header (86), delimiter (1) and
/// authentication tag (16) (RFC 8291, section 4).
pub const WEB_PUSH_PAYLOAD_BYTES_MAX: usize = 3_993;
/// Most products shown to a template.
pub const MESSAGE_ITEMS_MAX: usize = 10;
/// Most messages decided for one user by one mailbox message: whatever a playbook says, a burst of
/// events never becomes a burst of messages.
pub const MESSAGES_PER_COMMIT_MAX: usize = 8;
/// When the outbox has reached this size, in bytes, the rest of a user's batch waits for the next
/// commit, so that state and outbox fit into one item.
pub const OUTBOX_BYTES_SOFT_MAX: usize = 16 * 1024;
/// A commit that has so many bytes of facts takes no further message. What one message adds to them comes on top.
pub const FACTS_BYTES_SOFT_MAX: usize = 64 * 1024;
/// Most bytes of a user's item with which its facts are written; where they would make it larger, it says how many are
/// missing. (Facts are compressed, and an item may have 400 KB.)
pub const ITEM_WITH_FACTS_BYTES_MAX: usize = 390 * 1024;
/// Users who are told at the same time what the archive knows of them: as many as one BatchGetItem reads.
pub const RECOLLECTIONS_AT_ONCE_MAX: usize = 100;
/// How long after that those who were busy are looked at again: by then their rows are in the archive.
pub const RECOLLECTION_ROUND: Span = Span::from_secs(60);
/// How often that is tried.
pub const RECOLLECTION_ROUNDS_MAX: u32 = 10;
/// Most bytes of facts that are read from one item, decompressed: some times what a commit writes.
pub const FACTS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// An object of the archive takes no further record when that would make it larger, in bytes before compression.
pub const ARCHIVE_OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most days that are fetched from the archive at once: as many as it keeps (`ArchiveRetentionDays`) at most.
pub const ARCHIVE_DAYS_MAX: usize = 3_650;
/// Most bytes that are read of an object of the archive, decompressed: a full one and the record that filled it.
pub const ARCHIVE_OBJECT_READ_BYTES_MAX: usize = 32 * 1024 * 1024;

// ---- Figures ----

/// Longest name that figures are cut by, in bytes; a longer one is counted by its beginning.
pub const FIGURES_LABEL_BYTES_MAX: usize = 48;
/// Plays that have figures of their own; further ones (of earlier playbooks) are counted together.
pub const FIGURES_PLAYS_MAX: usize = PLAYS_MAX;
/// Messages, and drawn variants, of one play that have figures of their own.
pub const FIGURES_PER_PLAY_MAX: usize = 24;
/// Sources of traffic, and countries, that have figures of their own, and as many custom events.
pub const FIGURES_SOURCES_MAX: usize = 48;
/// The same within one play.
pub const FIGURES_SOURCES_PER_PLAY_MAX: usize = 12;
/// Segments that have figures of their own within one play.
pub const FIGURES_SEGMENTS_PER_PLAY_MAX: usize = 16;
/// Currencies, and kinds of devices, that have figures of their own.
pub const FIGURES_CURRENCIES_MAX: usize = 6;
/// Objects of the archive that one hour's figures can hold: each is named there by eight bytes. Those beyond are not counted.
pub const FIGURES_OBJECTS_MAX: usize = 15_000;
/// Most bytes of an hour's figures, compressed: they are one DynamoDB item (400 KB) with the names of their objects.
pub const FIGURES_BYTES_MAX: usize = 260 * 1024;
/// Most bytes of figures that are read from one item, decompressed.
pub const FIGURES_READ_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often figures are read again when others write them at the same time: there are fewer shards of the streams.
pub const FIGURES_WRITE_ROUNDS_MAX: usize = 64;
/// How long the figures of hours are kept; those of days stay.
pub const FIGURES_HOURS_RETENTION: Span = Span::from_secs(100 * 24 * 60 * 60);
/// How long a day has to be over before it is recounted: by then its objects are written.
pub const FIGURES_DAY_SETTLES: Span = Span::from_hours(1);
/// An order counts as one after a message when one was sent to its user so short a time before.
pub const FIGURES_AFTER_MESSAGE: Span = Span::from_secs(7 * 24 * 60 * 60);

// ---- The catalogue ----

/// Largest body of one request with a feed of products, in bytes: Lambda takes 6 MB, and Base64 needs a third more.
pub const CATALOGUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most products in one request.
pub const CATALOGUE_ROWS_MAX: usize = 10_000;
/// Products that are read from the catalogue at once (DynamoDB's BatchGetItem).
pub const CATALOGUE_READ_MAX: usize = 100;
/// Products that are written, or told of, at the same time.
pub const CATALOGUE_LANES_MAX: usize = 16;
/// How often a product is read again when somebody else changes it meanwhile.
pub const CATALOGUE_WRITE_ROUNDS_MAX: usize = 4;
/// Changes of one product that wait to be told; a row that would add one more has to come again.
pub const ANNOUNCEMENTS_WAITING_MAX: usize = 8;
/// Products with changes to tell that one run looks for per shard; the next run finds the rest.
pub const ANNOUNCED_PER_SHARD_MAX: usize = 1_000;
/// Shards of the index of products with changes to tell.
pub const ANNOUNCE_SHARDS: u32 = 4;
/// The part of the catalogue function's time that is left for its answer when it stops telling.
pub const ANNOUNCE_RESERVE: Span = Span::from_secs(25);
/// Fields of a feed that nobody knows, which an answer lists.
pub const FEED_FIELDS_IGNORED_MAX: usize = 20;
/// How long the key of the catalogue is used before it is asked for again.
pub const CATALOGUE_KEY_REFRESH: Span = Span::from_mins(5);
/// The farthest place that a message shows as the nearest one, in metres.
pub const STORE_DISTANCE_M_MAX: u32 = 50_000;
/// Shards of the users who are interested in one product: each carries 1,000 changes a second.
pub const INTEREST_SHARDS: u32 = 8;
/// Users interested in a product that are read at once.
pub const INTEREST_PAGE_MAX: usize = 500;

// ---- Promo codes ----

/// Most promotions in a playbook.
pub const PROMOTIONS_MAX: usize = 100;
/// Largest number of codes that a promotion may be limited to.
pub const PROMO_CODES_AT_MOST_MAX: u32 = 100_000_000;
/// Longest prefix of a promotion's codes, in characters.
pub const PROMO_CODE_PREFIX_CHARS_MAX: usize = 12;
/// Fewest letters and digits of a code that a shop brings along.
pub const PROMO_CODE_CHARS_MIN: usize = 4;
/// Most letters and digits of any code.
pub const PROMO_CODE_CHARS_MAX: usize = 40;
/// Longest text that is read as a code, in bytes: people write blanks and hyphens into codes.
pub const PROMO_CODE_TEXT_BYTES_MAX: usize = 120;
/// How often another code is made when one is another delivery's already; a second time is as good as impossible.
pub const PROMO_CODES_MADE_MAX: u32 = 4;
/// Free codes of a pool that are looked at together; workers choose among them, so that they rarely meet.
pub const PROMO_POOL_PAGE_MAX: usize = 50;
/// How often a delivery chooses another code of its pool when others were faster.
pub const PROMO_POOL_ROUNDS_MAX: usize = 8;
/// Codes that an import writes at the same time.
pub const PROMO_POOL_LANES_MAX: usize = 16;
/// Most codes in one file of an import.
pub const PROMO_POOL_FILE_CODES_MAX: usize = 1_000_000;
/// How often a code is read again when somebody else changes it while it is redeemed.
pub const REDEEM_ROUNDS_MAX: usize = 8;
/// Largest body of a redemption, in bytes.
pub const REDEEM_BYTES_MAX: usize = 8 * 1024;
/// How long a code is remembered after it has expired or was redeemed, so that the refusal says which.
pub const PROMO_CODE_RETENTION: Span = Span::from_secs(180 * 24 * 60 * 60);
/// How long the key that codes are made with is used before it is asked for again.
pub const PROMO_CODE_KEY_REFRESH: Span = Span::from_mins(15);
/// After how long a secret that is known, and could not be asked for anew, is asked for again.
pub const SECRET_ASKED_AGAIN_AFTER: Span = Span::from_secs(30);
/// How long the write key of the shop's server is used before it is asked for again.
pub const SERVER_KEY_REFRESH: Span = Span::from_mins(5);
/// How long the key that opens redemptions is used before it is asked for again.
pub const REDEEM_KEY_REFRESH: Span = Span::from_mins(5);

// ---- Links ----

/// Most bytes that a signed link carries beside its signature.
pub const SIGNED_LINK_PAYLOAD_BYTES_MAX: usize = 512;
/// How long the keys that sign links are used before they are asked for again.
pub const LINK_KEY_REFRESH: Span = Span::from_mins(15);
/// A link that no known key has signed may be signed with a newer one, which is asked for at most so often.
pub const LINK_KEY_ASKED_AGAIN_AFTER: Span = Span::from_secs(60);
/// Most sites whose links a playbook counts.
pub const LINK_HOSTS_MAX: usize = 50;
/// Most destinations that a playbook names.
pub const LINK_DESTINATIONS_MAX: usize = 50;
/// Most links of one message that are counted; further ones stay as they stand.
pub const LINKS_PER_MESSAGE_MAX: usize = 64;
/// Longest link that is counted, in bytes; a longer one stays as it stands.
pub const LINK_TARGET_BYTES_MAX: usize = 2_000;
/// How long links lead where they should, where a playbook does not say.
pub const LINK_EXPIRES_AFTER: Span = Span::from_secs(90 * 24 * 60 * 60);
/// How long links lead to the fallback page after that, before they are forgotten.
pub const LINK_FALLBACK_RETENTION: Span = Span::from_secs(90 * 24 * 60 * 60);
/// How often a delivery's links are read again when another worker writes them at the same time.
pub const LINK_ROUNDS_MAX: usize = 4;
/// How long somebody who follows a link waits at most until their mailbox has the click.
pub const CLICK_TOLD_WITHIN: Span = Span::from_secs(2);
/// Longest user agent that is read, in bytes.
pub const USER_AGENT_BYTES_MAX: usize = 512;

// ---- Tools ----

/// Most events of a recording that is replayed: it is held in memory, because all events of a user
/// go into one request.
pub const RECORDING_EVENTS_MAX: usize = 2_000_000;
/// A backtest reads its recording in pieces of about this many bytes, each on one core.
pub const BACKTEST_PIECE_BYTES: usize = 128 * 1024;
/// So many pieces are read, sorted and applied together.
pub const BACKTEST_PIECES_TOGETHER: usize = 32;
/// Longest row of a recording that is backtested, in bytes.
pub const BACKTEST_ROW_BYTES_MAX: usize = 1024 * 1024;
/// Parts into which the users of a backtest are cut: more than there are cores, so that all of them are
/// busy; the same whatever the machine, so that every machine gives the same report.
pub const BACKTEST_SHARDS: usize = 128;
// Rows that wait for their turn tell where their texts stand by small numbers.
const _: () = assert!(BACKTEST_ROW_BYTES_MAX + 2 * BACKTEST_PIECE_BYTES <= u32::MAX as usize);
const _: () = assert!(ID_BYTES_MAX <= TEXT_BYTES_MAX);
const _: () = assert!(TEXT_BYTES_MAX <= u16::MAX as usize);
/// Most inputs that a backtest holds back to bring them into the order of time. They take about 1 KB each, rows that
/// wait as text a sixth of that.
pub const BACKTEST_PENDING_MAX: usize = 2_000_000;
/// How late an event may stand in a recording to be brought into the order of time, when nobody says.
pub const BACKTEST_WINDOW: Span = Span::from_hours(1);
/// The same for GA4's export: the rows of a day's table stand in no order at all.
pub const BACKTEST_GA4_WINDOW: Span = Span::from_hours(25);
/// Wrong rows of a recording that are listed one by one.
pub const BACKTEST_PROBLEMS_SHOWN_MAX: usize = 10;

/// How often `kairos send-test` looks whether its message was sent, and how long at most.
pub const TEST_LOOK_EVERY: Span = Span::from_millis(500);
/// How long `kairos send-test` waits for its message.
pub const TEST_WAITED_MAX: Span = Span::from_mins(2);
/// How long the message of `kairos send-test` makes sense.
pub const TEST_VALID_FOR: Span = Span::from_mins(15);
/// Shortest secret that keys are made of, in bytes: as many as the hashes have that make them.
pub const SECRET_BYTES_MIN: usize = 32;

// ---- Time ----

/// How far ahead the minute sweep looks: two sweep periods, because a sweep starts anywhere in its minute.
pub const SWEEP_HORIZON: Span = Span::from_secs(120);
/// An alarm due sooner than this after its commit goes to the delay queue at once: the next sweep
/// may miss it, because the index is eventually consistent and sweeps are a minute apart.
pub const SOON: Span = Span::from_secs(180);
/// Shards of the alarm index; each is one index partition key, so each carries 1,000 changes a second.
pub const ALARM_SHARDS: u32 = 16;
/// An alarm that comes back with more than this left goes into the delay queue once more; with less,
/// it is waited for. The queue delays by whole seconds, so the rest is normally under one.
pub const ALARM_WAIT_MAX: Span = Span::from_secs(2);
/// Most alarms one sweep hands on per shard; the rest is overdue for the next.
pub const SWEEP_ALARMS_PER_SHARD_MAX: usize = 5_000;
/// Parts of the users table that a backfill reads at once.
pub const BACKFILL_LANES: usize = 4;
/// Most users that a backfill reads in one lane before it tells them and notes how far it is.
pub const BACKFILL_PAGE_USERS_MAX: usize = 500;
/// The least time between two rounds of a backfill that have told somebody, so that ticks never stand in the way
/// of those who shop: 4,000 a second.
pub const BACKFILL_ROUND: Span = Span::from_millis(500);
/// How long one invocation works on a backfill; the next one goes on.
pub const BACKFILL_TIME_MAX: Span = Span::from_secs(25);
/// How long after it has seen another playbook a backfill begins, and how long after a pass the next one does:
/// longer than functions work with the playbook before, or users need to be decided.
pub const BACKFILL_SETTLE: Span = Span::from_secs(45);
/// Most passes of one backfill: each but the first looks whether the one before has reached everybody.
pub const BACKFILL_PASSES_MAX: u32 = 3;
/// DynamoDB: most keys of one BatchGetItem call.
pub const READ_BATCH_KEYS_MAX: usize = 100;
/// DynamoDB: most items of one BatchWriteItem call.
pub const WRITE_BATCH_ITEMS_MAX: usize = 25;
/// Calls to the table of interests under way at once.
pub const INTEREST_CALLS_MAX: usize = 8;
/// Parts of the table of users that are read beside each other when somebody asks who is in a segment.
pub const USER_SCAN_LANES: u32 = 8;
/// Users of one part that are read at once then.
pub const USER_SCAN_PAGE_MAX: usize = 500;
/// How long a user without any activity is remembered.
pub const USER_RETENTION: Span = Span::from_secs(395 * 24 * 60 * 60);
/// How long a delivery record is kept.
pub const DELIVERY_RETENTION: Span = Span::from_secs(90 * 24 * 60 * 60);
/// How long a refused event is kept for a person to look at.
pub const REFUSAL_RETENTION: Span = Span::from_secs(14 * 24 * 60 * 60);
/// Most refused events kept from one request.
pub const REFUSALS_KEPT_PER_REQUEST_MAX: usize = 25;
/// Most refused events kept by one running function within a minute: a broken client must not fill the table.
pub const REFUSALS_KEPT_PER_MINUTE_MAX: usize = 300;
/// How long a client is asked to wait before it sends again what could not be taken.
pub const RETRY_AFTER: Span = Span::from_secs(5);
/// Largest excerpt of a refused event that is kept, in bytes.
pub const REFUSAL_EXCERPT_BYTES_MAX: usize = 2_048;
/// How long a function works with a playbook before it asks whether there is a newer one.
pub const PLAYBOOK_REFRESH: Span = Span::from_secs(30);
/// Playbooks kept in memory: the one in force and a few that deliveries under way still need.
pub const PLAYBOOK_VERSIONS_KEPT_MAX: usize = 8;
/// Messages of a playbook that are written at the same time when it is published.
pub const MESSAGES_PUBLISHED_AT_ONCE: usize = 16;
/// How long an AWS service may take to accept a connection, TLS included.
pub const AWS_CONNECT_TIMEOUT: Span = Span::from_millis(1_500);
/// How long an AWS service may take to answer one attempt of a call. (Providers of messages get
/// [`PROVIDER_TIMEOUT`] and one attempt.)
pub const AWS_ATTEMPT_TIMEOUT: Span = Span::from_millis(2_500);
/// How often a call to an AWS service is attempted.
pub const AWS_ATTEMPTS_MAX: u32 = 3;
/// How often keys that DynamoDB left unprocessed are asked for again within one batch.
pub const UNPROCESSED_ROUNDS_MAX: usize = 3;
/// A delivery that was claimed and has not been recorded after this time is taken to be abandoned.
/// Longer than the delivery function may run.
pub const CLAIM_LEASE: Span = Span::from_secs(60);
/// How long the delivery function may run (its `Timeout`).
pub const DELIVERY_RUN_MAX: Span = Span::from_secs(30);
/// How long a provider may take to answer.
pub const PROVIDER_TIMEOUT: Span = Span::from_secs(10);
/// How often the deliveries queue gives a message before it goes to the dead-letter queue (its
/// `maxReceiveCount`): each time, at most one attempt to send is made.
pub const DELIVERY_ATTEMPTS_MAX: u32 = 20;
/// How often a worker looks again when others change a delivery's record while it claims it.
pub const DELIVERY_CLAIM_ROUNDS_MAX: u32 = 4;
/// How old the answer may be to whether a receiver still wants to be written to, when the provider is called.
pub const CONSENT_FRESH: Span = Span::from_secs(1);
/// How often a worker asks that in a row, when the answers take longer.
pub const CONSENT_ASKED_MAX: u32 = 3;
/// Most rows of a file of dead addresses.
pub const SUPPRESSIONS_FILE_ROWS_MAX: usize = 1_000_000;
/// Addresses that an import writes at the same time.
pub const SUPPRESSIONS_LANES_MAX: usize = 16;
/// Largest body of a messenger's callback, in bytes: the largest that Meta sends.
pub const CALLBACK_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Most pieces of news of one callback: Meta sends up to a thousand together.
pub const CALLBACK_NEWS_MAX: usize = 5_000;
/// Oldest news of a messenger that is taken: Meta tries for seven days to tell what it could not.
pub const CALLBACK_AGE_MAX: Span = Span::from_secs(8 * 24 * 60 * 60);
/// How far ahead of our clock a messenger's may be.
pub const CALLBACK_AHEAD_MAX: Span = Span::from_mins(10);
/// How long a secret that callbacks are checked with is used before it is asked for again.
pub const CALLBACK_SECRET_REFRESH: Span = Span::from_mins(15);
/// A callback that the known secret does not fit may be signed with a newer one, which is asked for at most so often.
pub const CALLBACK_SECRET_ASKED_AGAIN_AFTER: Span = Span::from_secs(60);
/// Longest text of somebody's message that travels on, in bytes: keywords are short.
pub const CALLBACK_TEXT_BYTES_MAX: usize = 256;
/// Longest id, code or address of a receipt, in bytes.
pub const RECEIPT_TEXT_BYTES_MAX: usize = 512;
/// How often the feedback queue gives a message before it goes to the dead-letter queue (its `maxReceiveCount`).
pub const FEEDBACK_RECEIVES_MAX: u32 = 20;
/// How often a receipt is looked at whose delivery nobody knows: it may be here before the record is.
pub const RECEIPT_LOOKUPS_MAX: u32 = 3;
/// How often a delivery's record is read again when somebody else changes it while a receipt is noted.
pub const RECEIPT_ROUNDS_MAX: u32 = 4;
/// How long it is remembered what somebody has said by a messenger or an SMS, so that the same again changes nothing:
/// longer than a callback may be old.
pub const SAID_MEMORY: Span = Span::from_secs(9 * 24 * 60 * 60);
/// How often HELP by SMS is answered to one number in a day: nobody is to make the shop pay for a talk with a machine.
pub const HELP_ANSWERS_PER_DAY_MAX: u32 = 3;
/// How long it is remembered what an address was answered to.
pub const ANSWER_MEMORY: Span = Span::from_secs(2 * 24 * 60 * 60);
/// Largest form of the preferences page, in bytes: some words.
pub const PREFERENCES_FORM_BYTES_MAX: usize = 4 * 1024;
/// How often a worker tries to record what the provider said, before it leaves that to the log.
pub const DELIVERY_RECORD_TRIES_MAX: u32 = 3;
/// Most of a subject, and of a text, that a delivery record keeps, in bytes.
pub const DELIVERY_TEXT_BYTES_KEPT_MAX: usize = 4 * 1024;
/// Most of a provider's code, id or explanation that is kept, in bytes.
pub const ANSWER_TEXT_BYTES_MAX: usize = 256;
/// Most of a webhook receiver's answer that is read, in bytes.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// How long a messenger or a receiver of webhooks may take to accept a connection, TLS included.
pub const PROVIDER_CONNECT_TIMEOUT: Span = Span::from_secs(3);
/// Most of a messenger's answer that is read, in bytes.
pub const MESSENGER_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a process leaves a messenger alone that said "too many" and not for how long.
pub const MESSENGER_PAUSE: Span = Span::from_secs(5);
/// The longest that a process leaves a messenger alone, whatever it asked for: after that it asks again.
pub const MESSENGER_PAUSE_MAX: Span = Span::from_mins(15);
/// How long an order waits for the end of a messenger's pause before it is claimed. What has to wait longer goes back to
/// the queue.
pub const MESSENGER_PAUSE_WAITED_MAX: Span = Span::from_secs(5);
/// So many calls in a row without an answer, or answered "not now", mean that a provider is out of order.
pub const BREAKER_TROUBLES_IN_A_ROW_MAX: u32 = 5;
/// So many of the last [`BREAKER_WINDOW`] do, too.
pub const BREAKER_TROUBLES_MAX: u32 = 10;
/// Answers of a provider that a process remembers.
pub const BREAKER_WINDOW: u32 = 20;
/// How long a process leaves a provider alone that is out of order; twice as long each time that it still is.
pub const BREAKER_OPEN: Span = Span::from_secs(30);
/// The longest that it does so.
pub const BREAKER_OPEN_MAX: Span = Span::from_mins(5);
/// How long one message has a provider for itself that may be back.
pub const BREAKER_PROBE: Span = Span::from_secs(15);
/// The shortest that a message waits which goes back to the queue for a provider's sake: the queue delays by whole seconds.
pub const LATER_MIN: Span = Span::from_secs(1);
/// How long a push service may take to answer. All browsers of a user are written to at the same time.
pub const WEB_PUSH_TIMEOUT: Span = Span::from_secs(8);
/// How long a delivery waits at most until the user's mailbox has the word of browsers and devices that are gone.
pub const PUSH_GONE_TOLD_WITHIN: Span = Span::from_secs(2);
/// Most of a push service's answer that is read, in bytes.
pub const WEB_PUSH_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// How long a push service may take a signature for the shop's: at most a day (RFC 8292, section 2).
pub const VAPID_EXPIRES_AFTER: Span = Span::from_hours(12);
/// How long the key that notifications are signed with is used before it is asked for again.
pub const VAPID_KEY_REFRESH: Span = Span::from_hours(1);
/// How long a browser may remember the public part of that key, in seconds.
pub const VAPID_KEY_CACHE_SECONDS: u32 = 3_600;
/// How long the first provider of SMS may take to say "not now", so that there is time to ask the other one.
pub const SMS_FALLBACK_WITHIN: Span = Span::from_secs(5);
/// Most of an answer of AWS End User Messaging that is read, in bytes.
pub const SMS_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Longest name of a configuration set, number or pool that sends SMS, in bytes (AWS End User Messaging).
pub const SMS_IDENTITY_BYTES_MAX: usize = 256;
/// Longest token of a messenger that is taken, in bytes.
pub const MESSENGER_TOKEN_BYTES_MAX: usize = 1_024;
/// How long a messenger's token is used before it is asked for again.
pub const MESSENGER_TOKEN_REFRESH: Span = Span::from_mins(15);
/// How long the signing secret of webhooks is used before it is asked for again.
pub const WEBHOOK_SECRET_REFRESH: Span = Span::from_mins(15);

// ---- What people look up ----

/// Most users that one search finds.
pub const PEOPLE_FOUND_MAX: usize = 20;
/// Most bytes that one look into the archive reads, decompressed.
pub const ARCHIVE_SEARCH_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Most objects that one look into the archive reads.
pub const ARCHIVE_SEARCH_OBJECTS_MAX: usize = 400;
/// Objects that are read at a time.
pub const ARCHIVE_SEARCH_LANES: usize = 4;
/// Most rows of a user that one look into the archive gives.
pub const ARCHIVE_SEARCH_ROWS_MAX: usize = 1_000;
/// Most pages of a thousand names that are listed of an hour of the archive.
pub const ARCHIVE_HOUR_PAGES_MAX: usize = 20;
/// Deliveries shown on a page.
pub const DELIVERIES_PER_PAGE: usize = 50;
/// Publications of the playbook that are remembered: with what stands beside them they fit into one read unit.
pub const PUBLICATIONS_KEPT_MAX: usize = 25;
/// Warnings that are kept with a version of the playbook.
pub const WARNINGS_KEPT_MAX: usize = 100;
/// Longest warning that is kept, in bytes.
pub const WARNING_BYTES_MAX: usize = 600;
/// Differences shown between two versions of the playbook.
pub const DIFFERENCES_MAX: usize = 500;
/// Longest text of a difference, in bytes.
pub const DIFFERENCE_BYTES_MAX: usize = 2_000;
/// Dead letters of a queue that are shown.
pub const DEAD_LETTERS_SHOWN_MAX: usize = 20;
/// How long a dead letter that is shown is kept from others that look: until it is shown.
pub const DEAD_LETTER_LOOK: Span = Span::from_secs(5);
/// Longest text of a dead letter that is shown, in bytes.
pub const DEAD_LETTER_BYTES_MAX: usize = 8 * 1024;
/// Dead letters that are put back at a time.
pub const REDRIVE_MAX: usize = 200;
/// How long a dead letter that is being put back is kept from others.
pub const REDRIVE_LEASE: Span = Span::from_secs(60);
/// After how long no further dead letter is put back by one request.
pub const REDRIVE_RUN_MAX: Span = Span::from_secs(15);
/// Longest detail of a row of the archive that is shown, in bytes.
pub const ARCHIVE_ROW_SHOWN_BYTES_MAX: usize = 600;
/// Metrics that CloudWatch is asked for at once (its own bound).
pub const METRIC_QUERIES_MAX: usize = 500;
/// Counters of functions that are shown.
pub const METRIC_COUNTERS_MAX: usize = 1_000;
/// Largest answer of CloudWatch that is read, in bytes.
pub const METRIC_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long CloudWatch is waited for.
pub const METRIC_TIMEOUT: Span = Span::from_secs(5);
/// Changes by way of the console that are shown.
pub const CHANGES_SHOWN_MAX: u16 = 20;
/// Refusals of a source that are shown.
pub const REFUSALS_SHOWN_MAX: u16 = 50;

const _: () = {
    // One object more than the bound may be under way on each lane: memory for them is there with the rest.
    assert!(ARCHIVE_OBJECT_READ_BYTES_MAX <= ARCHIVE_SEARCH_BYTES_MAX);
    assert!(PEOPLE_FOUND_MAX <= READ_BATCH_KEYS_MAX && DELIVERIES_PER_PAGE <= READ_BATCH_KEYS_MAX);
    // The pointer with its history fits into one read unit of 4 KB: about 130 bytes a publication.
    assert!(PUBLICATIONS_KEPT_MAX * 140 < 4 * 1024);
    // The warnings of a version fit into one item, whatever JSON escapes.
    assert!(2 * WARNINGS_KEPT_MAX * WARNING_BYTES_MAX < 400 * 1024);
    // Nobody else gets a letter while it is being put back.
    assert!(REDRIVE_RUN_MAX.as_millis() < REDRIVE_LEASE.as_millis());
};

// ---- Reports ----

/// Most moments of people (things done, messages, visits) that one report remembers; it says how many are missing.
pub const REPORT_MOMENTS_MAX: usize = 10_000_000;
/// Traffic sources, promotions and currencies that a report tells apart; further ones are `(other)`.
pub const REPORT_NAMES_MAX: usize = 500;
/// Longest of their names, in bytes.
pub const REPORT_NAME_BYTES_MAX: usize = 64;
/// Values of one split of a funnel that are shown; further ones are `(other)`.
pub const REPORT_SPLIT_VALUES_MAX: usize = 40;
/// Most days that one report is about.
pub const REPORT_DAYS_MAX: u32 = 90;
/// Most bytes of the archive's objects that one report reads, compressed: some three million events.
pub const REPORT_READ_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// Objects that a report reads at the same time.
pub const REPORT_LANES_MAX: usize = 4;
/// How long the sending of a week's letter may take: then another call takes it up (the function's `Timeout`).
pub const LETTER_LEASE: Span = Span::from_mins(15);
/// Plays, experiments and warnings that a week's letter tells of.
pub const LETTER_ENTRIES_MAX: usize = 20;
/// Fewest people who have converted, and who have not, in each group before a report warns of anything but that.
pub const REPORT_CONVERSIONS_MIN: u64 = 25;

// ---- What experiments are read from ----

/// Most users of one variant, so that every count is exact as a float, too (2^53).
pub const EXPERIMENT_USERS_MAX: u64 = 1 << 53;
/// Largest sum of squared values, in squared millionths: 38 digits, which is what DynamoDB keeps of a number exactly.
pub const EXPERIMENT_SQUARES_MAX: u128 = 10_u128.pow(38) - 1;
/// Most variants of one experiment, the control among them.
pub const EXPERIMENT_VARIANTS_MAX: usize = 20;
/// Longest name of a variant, in bytes.
pub const EXPERIMENT_NAME_BYTES_MAX: usize = 100;
/// Fewest users of a variant who have converted, and who have not, before anything is concluded from it.
pub const EXPERIMENT_CONVERSIONS_MIN: u64 = 25;
/// Most rows of a file with one line per user.
pub const EXPERIMENT_FILE_ROWS_MAX: u64 = 100_000_000;
/// Largest file with one line per variant, in bytes.
pub const EXPERIMENT_FILE_BYTES_MAX: u64 = 1024 * 1024;

// ---- The console ----

/// How long somebody stays logged in.
pub const CONSOLE_SESSION_MAX: Span = Span::from_hours(12);
/// Attempts to log in are counted in windows of this length.
pub const CONSOLE_LOGIN_WINDOW: Span = Span::from_mins(15);
/// Most attempts to log in from one address in a window.
pub const CONSOLE_LOGINS_MAX: u32 = 10;
/// Most attempts to log in from everywhere in a window: so many guesses at a password of 32 random letters come to nothing, and
/// fewer would let anybody lock out the shop.
pub const CONSOLE_LOGINS_ALL_MAX: u32 = 300;
/// Largest form that is read, in bytes.
pub const CONSOLE_FORM_BYTES_MAX: usize = 16 * 1024;
/// Longest query that is read, in bytes.
pub const CONSOLE_QUERY_BYTES_MAX: usize = 4 * 1024;
/// Most fields of a form or a query.
pub const CONSOLE_FIELDS_MAX: usize = 64;
/// Most days for which figures are shown at once.
pub const CONSOLE_DAYS_MAX: u16 = 400;
/// How long what was changed by way of the console stays written down.
pub const CONSOLE_CHANGE_RETENTION: Span = Span::from_secs(400 * 24 * 60 * 60);
/// Periods of so many days are shown hour by hour, so that days are the shop's own; longer ones by days of UTC.
pub const CONSOLE_HOURLY_DAYS_MAX: u16 = 8;
/// Counts of what happened longer ago than this are kept in the process.
pub const CONSOLE_SETTLED_AFTER: Span = Span::from_hours(1);
/// They are asked for again after this time: the daily check may have mended them.
pub const CONSOLE_PAST_REFRESH: Span = Span::from_mins(15);
/// Of so many hours and days at most: each takes up to 0.6 MB where every list of names is as long as it may be.
pub const CONSOLE_PARTS_KEPT_MAX: usize = 500;
/// Counts are read so many days at once.
pub const CONSOLE_READ_AT_ONCE: Span = Span::from_hours(24 * 30);
/// The daily report is asked for again after this time.
pub const CONSOLE_REPORT_REFRESH: Span = Span::from_mins(5);
/// The overview warns when more than this part of the messages that arrived is called spam: Gmail's limit for senders
/// (<https://support.google.com/a/answer/81126>).
pub const CONSOLE_COMPLAINTS_MAX: f64 = 0.003;
/// It warns when more than this part of messages does not arrive.
pub const CONSOLE_LOST_MAX: f64 = 0.05;
/// Of fewer messages than this nobody is warned.
pub const CONSOLE_RATES_FROM: u64 = 200;
/// Plays that the overview shows: those that sent most.
pub const CONSOLE_PLAYS_FIRST_MAX: usize = 8;
/// Segments that are drawn over time: the largest.
pub const CONSOLE_SEGMENTS_DRAWN_MAX: usize = 6;
/// Largest report that is kept, in bytes.
pub const REPORT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The console's secrets are asked for again after this time.
pub const CONSOLE_KEY_REFRESH: Span = Span::from_mins(5);

const _: () = {
    // The square of any single value fits into a sum of squares.
    assert!((i64::MIN as i128 * i64::MIN as i128) as u128 <= EXPERIMENT_SQUARES_MAX);
    // A report concludes nothing from less than an experiment does.
    assert!(REPORT_CONVERSIONS_MIN >= EXPERIMENT_CONVERSIONS_MIN);
    assert!(REPORT_SPLIT_VALUES_MAX <= REPORT_NAMES_MAX && REPORT_NAMES_MAX < u16::MAX as usize);
    // The steps of a funnel are bits of a number.
    assert!(FUNNEL_STEPS_MAX <= 16);
    // What a file tells of its users can be counted, and a table of all variants fits into its file.
    assert!(EXPERIMENT_FILE_ROWS_MAX <= EXPERIMENT_USERS_MAX);
    assert!((EXPERIMENT_VARIANTS_MAX * (EXPERIMENT_NAME_BYTES_MAX + 200)) as u64 <= EXPERIMENT_FILE_BYTES_MAX);
    // What is not remembered as a whole fits into the memory of inputs several times over.
    assert!(4 * INPUTS_REMEMBERED_SINGLY_MAX <= SEEN_INPUTS_MAX);
    assert!(EVENT_BYTES_MAX < BATCH_BYTES_MAX);
    // A maximal event grows when it is wrapped, but never past one mailbox message.
    assert!(2 * EVENT_BYTES_MAX <= MAILBOX_MESSAGE_BYTES_MAX);
    assert!(MAILBOX_MESSAGE_BYTES_MAX <= QUEUE_BATCH_BYTES_MAX);
    // Whatever a sweep sees in time can be delayed exactly by the queue.
    assert!(SWEEP_HORIZON.as_millis() <= QUEUE_DELAY_MAX.as_millis());
    assert!(SOON.as_millis() <= QUEUE_DELAY_MAX.as_millis());
    // One sweep period (60 s) plus the index's lag lies inside SOON, so no alarm falls between.
    assert!(SOON.as_millis() > SWEEP_HORIZON.as_millis());
    assert!(BACKFILL_SETTLE.as_millis() > PLAYBOOK_REFRESH.as_millis());
    // The state and the outbox share one item of 400 KB: a nearly full outbox plus what one more
    // mailbox message can add (its own inputs told on, or its messages with their products).
    assert!(
        OUTBOX_BYTES_SOFT_MAX + MAILBOX_MESSAGE_BYTES_MAX + MAILBOX_INPUTS_MAX * 100 + STATE_BYTES_MAX < 400 * 1024
    );
    assert!(
        OUTBOX_BYTES_SOFT_MAX
            + MESSAGES_PER_COMMIT_MAX * MESSAGE_ITEMS_MAX * (ID_BYTES_MAX + TEXT_BYTES_MAX + 2 * LINK_BYTES_MAX + 200 + CORRELATION_ID_BYTES_MAX)
            // Segments entered and left, those that are gone included, and products that the user cares about.
            + (2 * SEGMENTS_MAX + INTERESTS_MAX + CART_ITEMS_MAX) * 200
            + STATE_BYTES_MAX
            < 400 * 1024
    );
    assert!(ITEM_WITH_FACTS_BYTES_MAX + 4_096 <= 400 * 1024);
    assert!(FACTS_BYTES_SOFT_MAX + MAILBOX_MESSAGE_BYTES_MAX < FACTS_BYTES_MAX);
    // Each row is longer than its fact by whose it is.
    assert!(ARCHIVE_OBJECT_BYTES_MAX + 2 * FACTS_BYTES_MAX <= ARCHIVE_OBJECT_READ_BYTES_MAX);
    assert!(PLAYBOOK_BYTES_MAX < 400 * 1024);
    // What a message shows of the catalogue comes with one call.
    assert!(MESSAGE_ITEMS_MAX + VIEWED_MAX < READ_BATCH_KEYS_MAX);
    assert!(RELATED_MAX + RELATED_SPARE <= READ_BATCH_KEYS_MAX);
    assert!(TEST_WAITED_MAX.as_millis() < TEST_VALID_FOR.as_millis());
    // A made code with its prefix reads back, also with a separator behind every symbol.
    assert!(PROMO_CODE_PREFIX_CHARS_MAX + 12 <= PROMO_CODE_CHARS_MAX);
    assert!(2 * PROMO_CODE_CHARS_MAX <= PROMO_CODE_TEXT_BYTES_MAX);
    // As long as a delivery may come again, its code is there.
    assert!(PROMO_CODE_RETENTION.as_millis() >= DELIVERY_RETENTION.as_millis());
    assert!(SECRET_ASKED_AGAIN_AFTER.as_millis() < PROMO_CODE_KEY_REFRESH.as_millis());
    assert!(SECRET_ASKED_AGAIN_AFTER.as_millis() < WEBHOOK_SECRET_REFRESH.as_millis());
    assert!(LINK_KEY_ASKED_AGAIN_AFTER.as_millis() < LINK_KEY_REFRESH.as_millis());
    // A link's number is one byte of its token, and the links of a message fit into one item.
    assert!(LINKS_PER_MESSAGE_MAX <= 256);
    assert!(LINKS_PER_MESSAGE_MAX * (LINK_TARGET_BYTES_MAX + 200) < 400 * 1024);
    // The parts of one message are kept together.
    assert!(TEMPLATE_SOURCE_BYTES_MAX * 4 <= PREPARED_TEMPLATES_BYTES_MAX);
    // Whatever was read from an event as a link can be counted.
    assert!(LINK_BYTES_MAX <= LINK_TARGET_BYTES_MAX);
    // A merge carries a whole state in base64 inside one mailbox message.
    assert!(STATE_BYTES_MAX * 4 / 3 + 4_096 <= MAILBOX_MESSAGE_BYTES_MAX);
    assert!(AWS_CONNECT_TIMEOUT.as_millis() < AWS_ATTEMPT_TIMEOUT.as_millis());
    // A worker that claims and calls at once has its answer long before the claim may be another's.
    assert!(PROVIDER_CONNECT_TIMEOUT.as_millis() < PROVIDER_TIMEOUT.as_millis());
    assert!(MESSENGER_PAUSE.as_millis() < MESSENGER_PAUSE_MAX.as_millis());
    // The usual pause is waited out. A run has time for that, for one AWS service at its slowest and for the messenger,
    // and is over before its claims may be another's.
    assert!(MESSENGER_PAUSE.as_millis() <= MESSENGER_PAUSE_WAITED_MAX.as_millis());
    assert!(
        MESSENGER_PAUSE_WAITED_MAX.as_millis()
            + AWS_ATTEMPT_TIMEOUT.as_millis() * AWS_ATTEMPTS_MAX as i64
            + PROVIDER_TIMEOUT.as_millis()
            < DELIVERY_RUN_MAX.as_millis()
    );
    assert!(DELIVERY_RUN_MAX.as_millis() < CLAIM_LEASE.as_millis());
    // Who tries has its answer before another one does. What waits for a provider is delayed by the queue exactly. The window
    // is a number's bits.
    assert!(PROVIDER_TIMEOUT.as_millis() < BREAKER_PROBE.as_millis());
    // An SMS waits for no messenger's pause; that time is the first provider's.
    assert!(SMS_FALLBACK_WITHIN.as_millis() <= MESSENGER_PAUSE_WAITED_MAX.as_millis());
    assert!(BREAKER_OPEN.as_millis() <= BREAKER_OPEN_MAX.as_millis());
    assert!(BREAKER_OPEN_MAX.as_millis() <= QUEUE_DELAY_MAX.as_millis());
    assert!(MESSENGER_PAUSE_MAX.as_millis() <= QUEUE_DELAY_MAX.as_millis());
    assert!(BREAKER_TROUBLES_IN_A_ROW_MAX <= BREAKER_TROUBLES_MAX && BREAKER_TROUBLES_MAX <= BREAKER_WINDOW);
    assert!(BREAKER_WINDOW < 32);
    // A receipt that is faster than its record is looked at again; one whose delivery is never found is acknowledged, not set
    // aside.
    assert!(RECEIPT_LOOKUPS_MAX > 1 && RECEIPT_LOOKUPS_MAX < FEEDBACK_RECEIVES_MAX);
    // Whatever is young enough to be taken again is still remembered.
    assert!(CALLBACK_AGE_MAX.as_millis() + CALLBACK_AHEAD_MAX.as_millis() < SAID_MEMORY.as_millis());
    assert!(CALLBACK_SECRET_ASKED_AGAIN_AFTER.as_millis() < CALLBACK_SECRET_REFRESH.as_millis());
    // A message on a page fits beside what belongs to it: every character four bytes, or two of them an escape.
    assert!(
        4 * (ON_SITE_TITLE_CHARS_MAX + ON_SITE_TEXT_CHARS_MAX + 2 * BUTTON_CHARS_MAX)
            + 4 * CHAT_LINK_BYTES_MAX
            + 2 * EVENT_NAME_BYTES_MAX
            + 1_024
            < INBOX_MESSAGE_BYTES_MAX
    );
    // A notification fits beside what belongs to it (its id, topic and language): every character four bytes.
    assert!(
        4 * (WEB_PUSH_TITLE_CHARS_MAX + WEB_PUSH_BODY_CHARS_MAX) + 3 * WEB_PUSH_LINK_BYTES_MAX + 300
            < WEB_PUSH_PAYLOAD_BYTES_MAX
    );
    assert!(LINK_BYTES_MAX <= WEB_PUSH_LINK_BYTES_MAX);
    assert!(WEB_PUSH_TIMEOUT.as_millis() + PUSH_GONE_TOLD_WITHIN.as_millis() <= PROVIDER_TIMEOUT.as_millis());
    assert!(PROVIDER_CONNECT_TIMEOUT.as_millis() < WEB_PUSH_TIMEOUT.as_millis());
    assert!(VAPID_EXPIRES_AFTER.as_millis() <= 24 * 60 * 60 * 1_000);
    assert!(SECRET_ASKED_AGAIN_AFTER.as_millis() < VAPID_KEY_REFRESH.as_millis());
    // All of a user's messages come with one page of DynamoDB's, 1 MB.
    assert!(INBOX_MESSAGES_MAX * INBOX_MESSAGE_BYTES_MAX < 1024 * 1024);
    // A browser counts the time that is left in 31 bits of milliseconds.
    assert!(INBOX_RETENTION.as_millis() < 1 << 31);
    assert!(SECRET_ASKED_AGAIN_AFTER.as_millis() < INBOX_KEY_REFRESH.as_millis());
    // A chat's text has room beside its picture and its button, whatever the links are.
    assert!(TELEGRAM_CAPTION_CHARS_MAX < TELEGRAM_CHARS_MAX && VIBER_CAPTION_CHARS_MAX < VIBER_CHARS_MAX);
    assert!(LINK_BYTES_MAX <= CHAT_LINK_BYTES_MAX);
    // Three links, each byte of which JSON may write as two.
    assert!(VIBER_TEXT_BYTES_MAX + 6 * CHAT_LINK_BYTES_MAX + 16 * BUTTON_CHARS_MAX <= VIBER_BYTES_MAX);
    // An hour's figures fit into their item with the names of all their objects and what stands beside them.
    assert!(FIGURES_BYTES_MAX + 8 * FIGURES_OBJECTS_MAX + 4 * 1024 < 400 * 1024);
    assert!(FIGURES_BYTES_MAX < FIGURES_READ_BYTES_MAX);
    // The day before is recounted while its hours are kept.
    assert!(FIGURES_DAY_SETTLES.as_millis() + Span::from_hours(48).as_millis() < FIGURES_HOURS_RETENTION.as_millis());
    assert!(3 * PROVIDER_TIMEOUT.as_millis() < CLAIM_LEASE.as_millis());
    // Whoever guesses is stopped by their address long before everybody is; and a session outlives its windows.
    assert!(CONSOLE_LOGINS_MAX * 10 <= CONSOLE_LOGINS_ALL_MAX);
    assert!(CONSOLE_LOGIN_WINDOW.as_millis() < CONSOLE_SESSION_MAX.as_millis());
    assert!(CONSOLE_QUERY_BYTES_MAX <= CONSOLE_FORM_BYTES_MAX);
    assert!(SECRET_ASKED_AGAIN_AFTER.as_millis() < CONSOLE_KEY_REFRESH.as_millis());
};
