//! Mailboxes: a letter stays until whoever took it last removes it, and lines keep their order.

use bytes::Bytes;
use tindra_store::{
    Batch, Letter, LetterCounts, MailChange, MailWork, Once, Overflow, Posted, Receipt, Store, TakeRequest, Taken,
    TakenLetter,
};
use uuid::Uuid;

use super::{Open, Place};

fn letter(mailbox: &str, number: u128, group: Option<&str>, body: impl Into<Bytes>) -> Letter {
    Letter {
        id: Uuid::from_u128(number),
        mailbox: mailbox.to_owned(),
        group: group.map(str::to_owned),
        sent_ms: 10,
        visible_ms: 10,
        head: Bytes::from(format!("head {number}")),
        body: body.into(),
    }
}

fn posting(letter: Letter) -> Batch {
    Batch::default().mail(MailChange::Post { letter, once: None })
}

async fn post(store: &Store, letters: impl IntoIterator<Item = Letter>) {
    for letter in letters {
        store.metadata.commit(posting(letter)).await.unwrap();
    }
}

fn request(mailbox: &str, now_ms: u64, letters_max: usize) -> TakeRequest {
    TakeRequest {
        mailbox: mailbox.to_owned(),
        is_ordered: false,
        now_ms,
        hidden_until_ms: now_ms + 100,
        letters_max,
        sent_after_ms: 0,
        overflow: None,
    }
}

async fn take(store: &Store, mailbox: &str, now_ms: u64, letters_max: usize) -> Taken {
    store.mailboxes.take(request(mailbox, now_ms, letters_max)).await.unwrap()
}

async fn take_in_line(store: &Store, mailbox: &str, now_ms: u64, letters_max: usize) -> Taken {
    let request = TakeRequest { is_ordered: true, ..request(mailbox, now_ms, letters_max) };
    store.mailboxes.take(request).await.unwrap()
}

fn numbers(taken: &Taken) -> Vec<u128> {
    taken.letters.iter().map(|taken| taken.letter.id.as_u128()).collect()
}

async fn change(store: &Store, change: MailChange) {
    store.metadata.commit(Batch::default().mail(change)).await.unwrap();
}

async fn remove(store: &Store, taken: &TakenLetter) {
    let (mailbox, receipt) = (taken.letter.mailbox.clone(), taken.receipt());
    change(store, MailChange::Remove { mailbox, receipt }).await;
}

async fn hide(store: &Store, taken: &TakenLetter, visible_ms: u64) {
    let (mailbox, receipt) = (taken.letter.mailbox.clone(), taken.receipt());
    change(store, MailChange::Hide { mailbox, receipt, visible_ms }).await;
}

async fn counts(store: &Store, mailbox: &str, now_ms: u64) -> (u64, u64, u64) {
    let LetterCounts { visible, taken, delayed } = store.mailboxes.counts(mailbox, now_ms, 0).await.unwrap();
    (visible, taken, delayed)
}

pub(crate) async fn taken_letters_come_back_until_they_are_removed(open: Open) {
    let mut place = Place::new(open);
    let large = Bytes::from(vec![7; 1 << 20]);
    let store = place.store();
    post(store, [letter("a", 1, None, large.clone()), letter("a", 2, None, ""), letter("b", 3, None, "x")]).await;
    post(store, [Letter { visible_ms: 500, ..letter("a", 4, None, "later") }]).await;
    post(store, [letter("a", 1, None, "the same id")]).await;
    assert_eq!(counts(store, "a", 20).await, (2, 0, 1));
    let first = take(store, "a", 20, 10).await;
    assert_eq!(numbers(&first), [1, 2]);
    let one = &first.letters[0];
    assert_eq!(
        (&one.letter.body, &one.letter.head[..], one.takes, one.first_taken_ms),
        (&large, &b"head 1"[..], 1, 20)
    );
    let nothing = take(store, "a", 119, 10).await;
    assert_eq!((numbers(&nothing), nothing.next_visible_ms), (vec![], Some(120)));
    assert_eq!(counts(store, "a", 119).await, (0, 2, 1));
    remove(store, &first.letters[1]).await;
    place.reopen();
    let store = place.store();
    let again = take(store, "a", 120, 10).await;
    assert_eq!(numbers(&again), [1]);
    assert_eq!((again.letters[0].takes, again.letters[0].first_taken_ms), (2, 20));
    remove(store, &first.letters[0]).await;
    assert_eq!(counts(store, "a", 121).await, (0, 1, 1), "the old receipt is void");
    remove(store, &again.letters[0]).await;
    assert_eq!(numbers(&take(store, "a", 900, 10).await), [4]);
    assert_eq!(take(store, "nobody's", 900, 10).await, Taken::default());
}

pub(crate) async fn the_hidden_time_can_be_changed(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    post(store, [letter("a", 1, None, "x")]).await;
    let taken = take(store, "a", 20, 1).await.letters.remove(0);
    hide(store, &taken, 30).await;
    let [standing] = store.mailboxes.standings("a", vec![taken.letter.id, Uuid::nil()]).await.unwrap()[..] else {
        panic!("one is there")
    };
    assert_eq!((standing.takes, standing.visible_ms, standing.taken_ms), (1, 30, 20));
    assert!(store.mailboxes.standings("b", vec![taken.letter.id]).await.unwrap().is_empty());
    let reread = store.mailboxes.reread("a", vec![taken.receipt()]).await.unwrap();
    assert_eq!(reread[0].letter.body, taken.letter.body);
    assert_eq!(numbers(&take(store, "a", 30, 1).await), [1]);
    hide(store, &taken, 0).await;
    assert_eq!(numbers(&take(store, "a", 40, 1).await), Vec::<u128>::new(), "the old receipt is void");
    assert!(store.mailboxes.reread("a", vec![taken.receipt()]).await.unwrap().is_empty());
}

pub(crate) async fn lines_keep_their_order(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    let letters = [(1, "g"), (2, "g"), (3, "h"), (4, "g")].map(|(number, group)| letter("a", number, Some(group), "x"));
    post(store, letters).await;
    let first = take_in_line(store, "a", 20, 2).await;
    assert_eq!(numbers(&first), [1, 2]);
    let other = take_in_line(store, "a", 21, 9).await;
    assert_eq!(numbers(&other), [3], "the line of the others is held up");
    let nothing = take_in_line(store, "a", 22, 9).await;
    assert_eq!((numbers(&nothing), nothing.next_visible_ms), (vec![], Some(120)));
    remove(store, &first.letters[0]).await;
    assert_eq!(numbers(&take_in_line(store, "a", 22, 9).await), Vec::<u128>::new());
    hide(store, &first.letters[1], 0).await;
    assert_eq!(numbers(&take_in_line(store, "a", 23, 1).await), [2]);
    assert_eq!(numbers(&take_in_line(store, "a", 122, 9).await), [3], "hidden until 121");
    let all = take_in_line(store, "a", 124, 9).await;
    assert_eq!(numbers(&all), [2, 4]);
    assert!(all.letters[0].number < all.letters[1].number);
}

pub(crate) async fn a_key_takes_one_letter_for_some_time(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    let keyed = |number, now_ms| MailChange::Post {
        letter: letter("a", number, Some("g"), "x"),
        once: Some(Once { key: "k".to_owned(), now_ms, until_ms: now_ms + 300 }),
    };
    store.metadata.commit(Batch::default().mail(keyed(1, 10)).mail(keyed(2, 10))).await.unwrap();
    let taken = take_in_line(store, "a", 20, 9).await;
    assert_eq!(numbers(&taken), [1]);
    remove(store, &taken.letters[0]).await;
    change(store, keyed(3, 309)).await;
    assert_eq!(numbers(&take_in_line(store, "a", 309, 9).await), Vec::<u128>::new());
    let posted = store.mailboxes.posted("a", vec!["j".to_owned(), "k".to_owned()]).await.unwrap();
    let number = taken.letters[0].number;
    assert_eq!(posted, [Posted { key: "k".to_owned(), id: Uuid::from_u128(1), number }]);
    change(store, keyed(4, 310)).await;
    let later = take_in_line(store, "a", 310, 9).await;
    assert_eq!(numbers(&later), [4]);
    assert!(later.letters[0].number > number);
    let forget = |until_ms| store.mailboxes.work(MailWork::ForgetKeys { until_ms, keys_max: 9 });
    assert_eq!((forget(609).await.unwrap(), forget(610).await.unwrap()), (0, 1));
    assert!(store.mailboxes.posted("a", vec!["k".to_owned()]).await.unwrap().is_empty());
}

pub(crate) async fn letters_taken_too_often_go_elsewhere_and_come_back(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    post(store, (1..=150).map(|number| letter("a", number, None, vec![5; 2_000]))).await;
    assert_eq!(take(store, "a", 20, 150).await.letters.len(), 150);
    post(store, [letter("a", 151, None, "x")]).await;
    let overflow =
        Overflow { takes_max: 1, mailbox: "dead".to_owned(), origin: "from a".to_owned(), is_sent_anew: false };
    let mut watch = store.mailboxes.watch_mail("dead");
    let with = TakeRequest { overflow: Some(overflow), ..request("a", 150, 1) };
    let taken = store.mailboxes.take(with).await.unwrap();
    assert_eq!(numbers(&taken), [151], "it has been visible for longest");
    let with = |now_ms| TakeRequest {
        overflow: Some(Overflow {
            takes_max: 1,
            mailbox: "dead".to_owned(),
            origin: "from a".to_owned(),
            is_sent_anew: false,
        }),
        ..request("a", now_ms, 10)
    };
    assert_eq!(store.mailboxes.take(with(150)).await.unwrap().letters, []);
    assert_eq!(watch.changed().await, Some(vec!["dead".to_owned()]));
    assert_eq!((counts(store, "a", 150).await, counts(store, "dead", 150).await), ((0, 1, 0), (150, 0, 0)));
    let dead = take(store, "dead", 160, 1).await.letters.remove(0);
    assert_eq!((dead.origin.as_deref(), dead.takes, dead.letter.sent_ms), (Some("from a"), 2, 10));
    assert_eq!(dead.letter.body.len(), 2_000);
    assert_eq!(store.mailboxes.next_origin("dead", 160).await.unwrap(), Some(Some("from a".to_owned())));
    let back = |letters_max| MailWork::Redirect {
        from: "dead".to_owned(),
        to: "a".to_owned(),
        origin: Some("from a".to_owned()),
        now_ms: 170,
        letters_max,
    };
    assert_eq!(store.mailboxes.work(back(100)).await.unwrap(), 100);
    assert_eq!(store.mailboxes.work(back(100)).await.unwrap(), 49, "one is in somebody's hands");
    assert_eq!(store.mailboxes.next_origin("dead", 170).await.unwrap(), None);
    assert_eq!(take(store, "a", 170, 1).await.letters[0].takes, 1);
}

pub(crate) async fn old_letters_and_cleared_ones_are_gone(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    post(store, (1..=5).map(|number| letter("a", number, Some("g"), "x"))).await;
    post(store, [Letter { sent_ms: 50, visible_ms: 50, ..letter("a", 6, Some("g"), "x") }]).await;
    let old = TakeRequest { is_ordered: true, sent_after_ms: 10, ..request("a", 60, 9) };
    let taken = store.mailboxes.take(old).await.unwrap();
    assert_eq!(numbers(&taken), [6]);
    assert_eq!(counts(store, "a", 60).await, (0, 1, 0));
    post(store, (7..=9).map(|number| letter("b", number, None, vec![1; 5_000]))).await;
    assert_eq!(store.mailboxes.mailboxes("", 9).await.unwrap(), ["a", "b"]);
    assert_eq!(store.mailboxes.mailboxes("a", 9).await.unwrap(), ["b"]);
    let expire = |visible_ms| MailWork::Expire { mailbox: "b".to_owned(), visible_ms, letters_max: 2 };
    assert_eq!(store.mailboxes.work(expire(9)).await.unwrap(), 0);
    assert_eq!(store.mailboxes.work(expire(10)).await.unwrap(), 2);
    let newest = store.mailboxes.newest("b").await.unwrap().unwrap();
    post(store, [letter("b", 10, None, "x")]).await;
    let clear = MailWork::Clear { mailbox: "b".to_owned(), number_max: newest, letters_max: 9 };
    assert_eq!(store.mailboxes.work(clear).await.unwrap(), 1);
    assert_eq!(numbers(&take(store, "b", 60, 9).await), [10]);
    assert_eq!(store.mailboxes.work(MailWork::Purge { prefix: String::new() }).await.unwrap(), 2);
    assert_eq!(store.mailboxes.mailboxes("", 9).await.unwrap(), Vec::<String>::new());
    assert_eq!(take_in_line(store, "a", 900, 9).await, Taken::default());
}

pub(crate) async fn takers_share_nothing(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    post(store, (1..=60).map(|number| letter("a", number, None, "x"))).await;
    let takers: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while mine.len() < 60 {
                    let taken = take(&store, "a", 20, 3).await;
                    if taken.letters.is_empty() && counts(&store, "a", 20).await.0 == 0 {
                        break;
                    }
                    for taken in taken.letters {
                        mine.push(taken.letter.id.as_u128());
                        remove(&store, &taken).await;
                    }
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for taker in takers {
        all.extend(taker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=60).collect::<Vec<u128>>());
}

pub(crate) async fn watchers_are_told_of_letters(open: Open) {
    let place = Place::new(open);
    let store = place.store();
    let mut watch = store.mailboxes.watch_mail("a");
    let mut told = async || watch.changed().await.unwrap();
    post(store, [letter("b", 1, None, "x"), letter("a", 2, None, "x"), letter("a2", 3, Some("g"), "x")]).await;
    assert_eq!((told().await, told().await), (vec!["a".to_owned()], vec!["a2".to_owned()]));
    post(store, [letter("a2", 4, Some("g"), "x")]).await;
    assert_eq!(told().await, ["a2"]);
    let taken = take_in_line(store, "a2", 20, 1).await.letters.remove(0);
    let receipt = Receipt { takes: 2, ..taken.receipt() };
    change(store, MailChange::Hide { mailbox: "a2".to_owned(), receipt, visible_ms: 0 }).await;
    remove(store, &taken).await;
    assert_eq!(told().await, ["a2"], "the next one in line may go on");
    let taken = take(store, "a", 20, 1).await.letters.remove(0);
    hide(store, &taken, 20).await;
    assert_eq!(told().await, ["a"]);
}
