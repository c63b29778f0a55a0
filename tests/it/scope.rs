//! Which rows a device holds, and what happens to them when that changes while it runs.

mod crash;
mod fixture;
mod local;
mod watched_store;

use ditto_sync::{ContextError, Query, SyncEvent, SyncRegistry, Value};
use ditto_sync_testkit::{Fault, Flavor, StoreCall};
use tokio::sync::watch;

use self::{
    fixture::{KeptStock, LINES, Line, SALES, STOCKS, Sale, Stock, TRANSFERS, Transfer, World, branch},
    watched_store::Asked,
};
use crate::devices::PATIENCE;

const BOTH: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

fn till() -> SyncRegistry {
    SyncRegistry::new().with::<Stock>().with::<Line>()
}

#[tokio::test]
async fn f19_a_device_without_a_branch_fetches_nothing_and_loses_nothing() {
    for flavor in BOTH {
        let world = World::new(flavor).await;
        world
            .office
            .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('b', 'butare', 'cup', 2)")
            .await;
        world
            .prepare("till", "INSERT INTO stocks VALUES ('old', 'kigali', 'tin', 3)")
            .await;
        let (till, store) = world.watched("till", till().context_later("branch")).await;
        till.run("INSERT INTO stocks VALUES ('new', 'kigali', 'jug', 4)")
            .await;
        // What is written is sent, for it says itself where it belongs. What was here before waits, and nothing is asked for.
        let sent = ["'b','butare',2", "'k','kigali',1", "'new','kigali',4"];
        world.office.holds(STOCKS, &sent).await;
        till.reports("stocks", |status| status.awaiting_context == ["branch"])
            .await;
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(till.rows(STOCKS).await, ["'new','kigali',4", "'old','kigali',3"]);
        assert_eq!(store.asked(), [], "nobody's data is asked for");

        till.sync.set_context("branch", "kigali").await.unwrap();
        till.sync.reconciled(PATIENCE).await.unwrap();
        let kigali = ["'k','kigali',1", "'new','kigali',4", "'old','kigali',3"];
        assert_eq!(till.rows(STOCKS).await, kigali);
        till.reports("stocks", |status| status.awaiting_context.is_empty())
            .await;
        let all = [
            "'b','butare',2",
            "'k','kigali',1",
            "'new','kigali',4",
            "'old','kigali',3",
        ];
        world.office.holds(STOCKS, &all).await;
        let asks_for_kigali = |asked: &Asked| match asked {
            Asked::Observe(_, query) | Asked::Scan(_, query) => *query == branch("kigali"),
            Asked::Fetch(_) => true,
        };
        assert!(store.asked().iter().all(asks_for_kigali), "{:#?}", store.asked());
        world.close([till]).await;
    }
}

#[tokio::test]
async fn f20_a_branch_that_comes_later_is_followed_while_the_device_runs() {
    let world = World::new(Flavor::Mesh).await;
    world
        .office
        .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('b', 'butare', 'cup', 2)")
        .await;
    let (session, followed) = watch::channel(None);
    let till = world
        .start("till", till().context_watch("branch", followed))
        .await;
    till.reports("stocks", |status| status.awaiting_context == ["branch"])
        .await;
    session.send(Some(Value::from("kigali"))).unwrap();
    till.holds(STOCKS, &["'k','kigali',1"]).await;
    session.send(Some(Value::from("butare"))).unwrap();
    till.holds(STOCKS, &["'b','butare',2"]).await;

    // A value that could match nothing changes nothing, and is reported.
    let mut events = till.sync.events();
    session.send(Some(Value::from(7))).unwrap();
    let refused = loop {
        match tokio::time::timeout(PATIENCE, events.next())
            .await
            .unwrap()
            .unwrap()
        {
            SyncEvent::ContextRefused { error } => break error,
            _ => continue,
        }
    };
    assert!(refused.contains("`branch`"), "{refused}");
    assert_eq!(till.sync.status().borrow().context_error, Some(refused));
    till.run("INSERT INTO stocks VALUES ('b2', 'butare', 'pan', 3)")
        .await;
    till.sync.settled(PATIENCE).await.unwrap();
    assert_eq!(till.rows(STOCKS).await, ["'b','butare',2", "'b2','butare',3"]);

    // Logged out: the rows stay, and so does what comes of the app.
    session.send(None).unwrap();
    till.reports("stocks", |status| status.awaiting_context == ["branch"])
        .await;
    assert_eq!(till.sync.status().borrow().context_error, None);
    world
        .office
        .run("UPDATE stocks SET quantity = 20 WHERE id = 'b'")
        .await;
    till.run("INSERT INTO stocks VALUES ('k2', 'kigali', 'jar', 4)")
        .await;
    let all = [
        "'b','butare',20",
        "'b2','butare',3",
        "'k','kigali',1",
        "'k2','kigali',4",
    ];
    world.office.holds(STOCKS, &all).await;
    till.sync.settled(PATIENCE).await.unwrap();
    assert_eq!(
        till.rows(STOCKS).await,
        ["'b','butare',2", "'b2','butare',3", "'k2','kigali',4"]
    );
    session.send(Some(Value::from("butare"))).unwrap();
    till.holds(STOCKS, &["'b','butare',20", "'b2','butare',3"]).await;
    assert_eq!(world.office.rows(STOCKS).await, all);

    // Nobody can send any more: the last value stays.
    drop(session);
    world
        .office
        .run("UPDATE stocks SET quantity = 30 WHERE id = 'b'")
        .await;
    till.holds(STOCKS, &["'b','butare',30", "'b2','butare',3"]).await;
    world.close([till]).await;
}

#[tokio::test]
async fn f21_a_change_of_branch_observes_anew_one_collection_after_the_other_and_leaves_no_observation_behind()
 {
    for flavor in BOTH {
        let world = World::new(flavor).await;
        world
            .office
            .run(
                "INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('b', 'butare', 'cup', 2);
                  INSERT INTO lines VALUES ('kl', 'kigali', 'k'), ('bl', 'butare', 'b')",
            )
            .await;
        let (till, store) = world.watched("till", till().context("branch", "kigali")).await;
        till.holds(STOCKS, &["'k','kigali',1"]).await;
        till.holds(LINES, &["'kl'"]).await;
        till.sync.reconciled(PATIENCE).await.unwrap();
        let before = store.asked().len();

        let mut events = till.sync.events();
        till.sync.set_context("branch", "butare").await.unwrap();
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(till.rows(STOCKS).await, ["'b','butare',2"]);
        assert_eq!(till.rows(LINES).await, ["'bl'"]);
        let mut changed = Vec::new();
        while changed.len() < 2 {
            let event = tokio::time::timeout(PATIENCE, events.next())
                .await
                .unwrap()
                .unwrap();
            if let SyncEvent::ScopeChanged { collection } = event {
                changed.push(collection);
            }
        }
        assert_eq!(changed, ["stocks", "lines"]);
        let asked = store.asked()[before..].to_vec();
        let observes = |collection| Asked::Observe(collection, branch("butare"));
        let lines_begin = asked
            .iter()
            .position(|asked| *asked == observes("lines"))
            .unwrap();
        let stocks_end = asked
            .iter()
            .position(|asked| *asked == Asked::Fetch("stocks"))
            .unwrap();
        assert_eq!(asked[0], observes("stocks"));
        assert!(
            stocks_end < lines_begin,
            "one collection after the other: {asked:#?}"
        );
        let mut observed = store.observed();
        observed.sort_by_key(|(collection, _)| *collection);
        assert_eq!(
            observed,
            [("lines", branch("butare")), ("stocks", branch("butare"))]
        );
        world
            .office
            .holds(STOCKS, &["'b','butare',2", "'k','kigali',1"])
            .await;
        world.office.holds(LINES, &["'bl'", "'kl'"]).await;
        world.close([till]).await;
    }
}

#[tokio::test]
async fn from_a_to_b_to_a_however_quickly_ends_in_exactly_a_and_deletes_nothing_elsewhere() {
    for flavor in BOTH {
        let world = World::new(flavor).await;
        let rows = |branch: &str, count: usize| {
            let rows: Vec<_> = (0..count)
                .map(|at| format!("('{branch}{at:03}', '{branch}', 'tea', {at})"))
                .collect();
            format!("INSERT INTO stocks VALUES {}", rows.join(", "))
        };
        world.office.run(&rows("kigali", 300)).await;
        world.office.run(&rows("butare", 200)).await;
        let (till, store) = world.watched("till", till().context("branch", "kigali")).await;
        let count = "SELECT branch || ' ' || count(*) FROM stocks GROUP BY branch ORDER BY branch";
        till.holds(count, &["kigali 300"]).await;
        for round in 0..15 {
            till.sync.set_context("branch", "butare").await.unwrap();
            if round % 3 == 0 {
                // Some get a little further than others.
                tokio::task::yield_now().await;
                till.run(&format!(
                    "UPDATE stocks SET quantity = quantity + 1 WHERE id = 'kigali{round:03}'"
                ))
                .await;
            }
            till.sync.set_context("branch", "kigali").await.unwrap();
        }
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(till.rows(count).await, ["kigali 300"]);
        till.sync.settled(PATIENCE).await.unwrap();
        assert_eq!(store.observed().len(), 2, "nothing leaks");
        world
            .in_step(
                &till,
                "SELECT quote(id), quote(quantity) FROM stocks WHERE branch = 'kigali' ORDER BY id",
            )
            .await;
        world.office.holds(count, &["butare 200", "kigali 300"]).await;
        let status = till.sync.status().borrow().collections["stocks"].clone();
        assert_eq!((status.parked, status.quarantined, status.conflicts), (0, 0, 0));
        world.close([till]).await;
    }
}

#[tokio::test]
async fn a_closure_is_asked_again_when_the_app_says_so() {
    let world = World::new(Flavor::Ditto).await;
    world
        .office
        .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('b', 'butare', 'cup', 2)")
        .await;
    let setting = std::sync::Arc::new(std::sync::Mutex::new(Some("kigali".to_owned())));
    let read = std::sync::Arc::clone(&setting);
    let registry = till().context_with("branch", move || read.lock().unwrap().clone());
    let till = world.start("till", registry).await;
    till.holds(STOCKS, &["'k','kigali',1"]).await;
    *setting.lock().unwrap() = Some("butare".to_owned());
    till.sync.refresh_context().await.unwrap();
    till.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(till.rows(STOCKS).await, ["'b','butare',2"]);
    *setting.lock().unwrap() = None;
    till.sync.refresh_context().await.unwrap();
    till.reports("stocks", |status| status.awaiting_context == ["branch"])
        .await;
    assert_eq!(
        till.rows(STOCKS).await,
        ["'b','butare',2"],
        "nothing is removed on a guess"
    );
    world.close([till]).await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_and_nothing_changes() {
    let world = World::new(Flavor::Ditto).await;
    world
        .office
        .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1)")
        .await;
    let till = world.start("till", till().context("branch", "kigali")).await;
    till.holds(STOCKS, &["'k','kigali',1"]).await;
    let unknown = till.sync.set_context("brunch", "butare").await.unwrap_err();
    let known = "branch".to_owned();
    assert_eq!(
        unknown,
        ContextError::UnknownParameter {
            name: "brunch".to_owned(),
            known
        }
    );
    for wrong in [Value::from(1), Value::Null] {
        let refused = till.sync.set_context("branch", wrong).await.unwrap_err();
        assert!(matches!(refused, ContextError::ParameterKind { .. }), "{refused}");
    }
    till.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(till.rows(STOCKS).await, ["'k','kigali',1"]);
    world.close([till]).await;
}

#[tokio::test]
async fn a_row_written_outside_the_scope_is_sent_and_then_removed_or_kept() {
    let world = World::new(Flavor::Ditto).await;
    let till = world.start("till", till().context("branch", "kigali")).await;
    let keeper = SyncRegistry::new()
        .with::<KeptStock>()
        .context("branch", "kigali");
    let keeper = world.start("keeper", keeper).await;
    till.run("INSERT INTO stocks VALUES ('1', 'butare', 'tea', 1)")
        .await;
    keeper
        .run("INSERT INTO stocks VALUES ('2', 'butare', 'cup', 2), ('3', 'kigali', 'pan', 3)")
        .await;
    let all = ["'1','butare',1", "'2','butare',2", "'3','kigali',3"];
    world.office.holds(STOCKS, &all).await;
    till.holds(STOCKS, &["'3','kigali',3"]).await;
    // It moves its own row away, too.
    keeper
        .run("UPDATE stocks SET branch = 'butare' WHERE id = '3'")
        .await;
    till.holds(STOCKS, &[]).await;
    let all = ["'1','butare',1", "'2','butare',2", "'3','butare',3"];
    world.office.holds(STOCKS, &all).await;
    keeper.sync.settled(PATIENCE).await.unwrap();
    assert_eq!(keeper.rows(STOCKS).await, ["'2','butare',2", "'3','butare',3"]);
    // What is kept is nobody's: what others make of it does not come, what the app makes of it is sent.
    world
        .office
        .run("UPDATE stocks SET quantity = 20 WHERE id = '2'")
        .await;
    keeper
        .run("UPDATE stocks SET quantity = quantity + 1 WHERE id = '3'")
        .await;
    world
        .office
        .holds(STOCKS, &["'1','butare',1", "'2','butare',20", "'3','butare',4"])
        .await;
    keeper.sync.settled(PATIENCE).await.unwrap();
    assert_eq!(keeper.rows(STOCKS).await, ["'2','butare',2", "'3','butare',4"]);
    // In their scope they are rows like any other.
    keeper.sync.set_context("branch", "butare").await.unwrap();
    keeper.sync.reconciled(PATIENCE).await.unwrap();
    keeper
        .holds(STOCKS, &["'1','butare',1", "'2','butare',20", "'3','butare',4"])
        .await;
    world.close([till, keeper]).await;
}

#[tokio::test]
async fn changes_that_are_not_sent_are_sent_before_their_rows_leave() {
    let world = World::new(Flavor::Ditto).await;
    world
        .office
        .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('l', 'kigali', 'jug', 1)")
        .await;
    let till = world.start("till", till().context("branch", "kigali")).await;
    till.holds(STOCKS, &["'k','kigali',1", "'l','kigali',1"]).await;
    till.store
        .set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
    till.run(
        "UPDATE stocks SET quantity = 10 WHERE id = 'k'; INSERT INTO stocks VALUES ('m', 'kigali', 'pot', 5)",
    )
    .await;
    till.sync.set_context("branch", "butare").await.unwrap();
    let error = till
        .sync
        .reconciled(std::time::Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("within 100ms"), "{error}");
    assert!(till.rows(STOCKS).await.contains(&"'k','kigali',10".to_owned()));
    till.store.clear_faults();
    till.sync.reconciled(PATIENCE).await.unwrap();
    till.sync.settled(PATIENCE).await.unwrap();
    assert_eq!(till.rows(STOCKS).await, Vec::<String>::new());
    world
        .office
        .holds(STOCKS, &["'k','kigali',10", "'l','kigali',1", "'m','kigali',5"])
        .await;
    world.close([till]).await;
}

#[tokio::test]
async fn any_of_several_fields_may_match() {
    let world = World::new(Flavor::Mesh).await;
    let registry = |branch: &str| {
        SyncRegistry::new()
            .with::<Transfer>()
            .context("from_branch", branch)
            .context("to_branch", branch)
    };
    let kigali = world.start("kigali", registry("kigali")).await;
    let butare = world.start("butare", registry("butare")).await;
    kigali.run("INSERT INTO transfers VALUES ('1', 'kigali', 'butare'), ('2', 'kigali', 'huye'), ('3', 'huye', 'musanze')")
        .await;
    kigali
        .holds(TRANSFERS, &["'1','kigali','butare'", "'2','kigali','huye'"])
        .await;
    butare.holds(TRANSFERS, &["'1','kigali','butare'"]).await;
    // Elsewhere entirely, while one of the fields still matches it stays.
    butare.run("UPDATE transfers SET to_branch = 'huye'").await;
    butare.holds(TRANSFERS, &[]).await;
    kigali
        .holds(TRANSFERS, &["'1','kigali','huye'", "'2','kigali','huye'"])
        .await;
    butare.sync.set_context("to_branch", "huye").await.unwrap();
    butare.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(
        butare.rows(TRANSFERS).await,
        ["'1','kigali','huye'", "'2','kigali','huye'"]
    );
    world.close([kigali, butare]).await;
}

#[tokio::test]
async fn the_parameters_of_a_filter_change_like_those_of_a_scope() {
    let world = World::new(Flavor::Mesh).await;
    let registry = || SyncRegistry::new().with::<Sale>();
    let all = world.start("all", registry().context("least", 0)).await;
    let big = world.start("big", registry().context("least", 100)).await;
    all.run("INSERT INTO sales VALUES ('1', 5), ('2', 50), ('3', 500)")
        .await;
    big.holds(SALES, &["'3',500"]).await;
    big.sync.set_context("least", 10).await.unwrap();
    big.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(big.rows(SALES).await, ["'2',50", "'3',500"]);
    big.sync.set_context("least", 1000).await.unwrap();
    big.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(big.rows(SALES).await, Vec::<String>::new());
    assert_eq!(all.rows(SALES).await, ["'1',5", "'2',50", "'3',500"]);
    world.close([all, big]).await;
}

#[tokio::test]
async fn parents_and_children_change_over_together_in_the_end() {
    let foreign_keys = ["ON DELETE CASCADE", "ON DELETE RESTRICT", ""];
    for action in foreign_keys {
        let world = World::with_foreign_key(Flavor::Mesh, action).await;
        world
            .office
            .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 1), ('b', 'butare', 'cup', 2);
                  INSERT INTO lines VALUES ('kl', 'kigali', 'k'), ('km', 'kigali', 'k'), ('bl', 'butare', 'b')")
            .await;
        let till = world.start("till", till().context("branch", "kigali")).await;
        till.holds(LINES, &["'kl'", "'km'"]).await;
        for (branch, stocks, lines) in [
            ("butare", ["'b','butare',2"], &["'bl'"][..]),
            ("kigali", ["'k','kigali',1"], &["'kl'", "'km'"]),
        ] {
            till.sync.set_context("branch", branch).await.unwrap();
            till.holds(STOCKS, &stocks).await;
            till.holds(LINES, lines).await;
            till.reports("lines", |status| status.parked == 0 && !status.changing_scope)
                .await;
            till.reports("stocks", |status| status.parked == 0 && !status.changing_scope)
                .await;
        }
        world
            .office
            .holds(STOCKS, &["'b','butare',2", "'k','kigali',1"])
            .await;
        world.office.holds(LINES, &["'bl'", "'kl'", "'km'"]).await;
        world.close([till]).await;
    }
}

#[tokio::test]
async fn f18_the_values_of_a_scope_s_key_are_moved_by_sql() {
    // A value of another type than the field's is refused at start and while running (`a_value_that_does_not_fit_is_refused_and_nothing_changes`), so a scope cannot
    // silently match nothing. Moving documents from one value to another is a change like any other.
    let world = World::new(Flavor::Ditto).await;
    world
        .office
        .run("INSERT INTO stocks VALUES ('k', '1', 'tea', 1), ('b', '2', 'cup', 2)")
        .await;
    let till = world.start("till", till().context("branch", "1")).await;
    till.holds(STOCKS, &["'k','1',1"]).await;
    world
        .office
        .run("UPDATE stocks SET branch = 'branch-' || branch")
        .await;
    till.holds(STOCKS, &[]).await;
    till.sync.set_context("branch", "branch-1").await.unwrap();
    till.sync.reconciled(PATIENCE).await.unwrap();
    assert_eq!(till.rows(STOCKS).await, ["'k','branch-1',1"]);
    world.close([till]).await;
}

#[test]
fn the_query_of_a_branch_is_what_the_tests_take_it_for() {
    assert_ne!(branch("kigali"), Query::all());
    assert_ne!(branch("kigali"), branch("butare"));
}
