//! The changes of letters in a group of batches, as statements for the whole group. The writer has the database to itself, so
//! they need no plan: none of them conflicts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use uuid::Uuid;

use super::connection::Connection;
use super::fault::Fault;
use super::numbers::{name, rows, signed};
use crate::{Letter, MailChange, Once, Receipt, checksum};

/// In the table of changes, before the name of a mailbox. No key of a record begins so.
pub(super) const NOTE_PREFIX: &str = "\0mailbox/";

const NUMBERS: &str = "SELECT nextval('letter_numbers') FROM generate_series(1, $1::bigint)";
const TAKE_KEYS: &str = "INSERT INTO letter_keys (mailbox, key, id, number, made_ms, until_ms)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (mailbox, key) DO UPDATE SET id = excluded.id, number = excluded.number, made_ms = excluded.made_ms,
        until_ms = excluded.until_ms
    WHERE letter_keys.until_ms <= excluded.made_ms RETURNING id";
const POST: &str = "INSERT INTO letters (number, id, mailbox, group_name, sent_ms, visible_ms, takes, head, body, checksum)
    SELECT number, id, mailbox, group_name, sent_ms, visible_ms, 0, head, body, checksum
    FROM unnest($1::bigint[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[],
        $9::bigint[]) AS l (number, id, mailbox, group_name, sent_ms, visible_ms, head, body, checksum)
    ON CONFLICT (id) DO NOTHING";
const HIDE: &str = "UPDATE letters SET visible_ms = h.visible_ms
    FROM unnest($1::bytea[], $2::uuid[], $3::bigint[], $4::bigint[]) AS h (mailbox, id, takes, visible_ms)
    WHERE letters.id = h.id AND letters.mailbox = h.mailbox AND letters.takes = h.takes
    RETURNING letters.mailbox, letters.group_name";
const REMOVE: &str = "DELETE FROM letters USING unnest($1::bytea[], $2::uuid[], $3::bigint[]) AS r (mailbox, id, takes)
    WHERE letters.id = r.id AND letters.mailbox = r.mailbox AND letters.takes = r.takes
    RETURNING letters.mailbox, letters.group_name";
const STAND_IN_LINE: &str = "INSERT INTO letter_groups (mailbox, group_name, head, ready_ms)
    SELECT a.mailbox, a.group_name, h.number, greatest(h.visible_ms, coalesce(t.visible_ms, 0))
    FROM unnest($1::bytea[], $2::bytea[]) AS a (mailbox, group_name)
    CROSS JOIN LATERAL (SELECT number, visible_ms FROM letters l
        WHERE l.mailbox = a.mailbox AND l.group_name = a.group_name ORDER BY number LIMIT 1) AS h
    LEFT JOIN LATERAL (SELECT visible_ms FROM letters l
        WHERE l.mailbox = a.mailbox AND l.group_name = a.group_name AND l.takes > 0
        ORDER BY visible_ms DESC LIMIT 1) AS t ON true
    ON CONFLICT (mailbox, group_name) DO UPDATE SET head = excluded.head, ready_ms = excluded.ready_ms";
const LEAVE_LINE: &str = "DELETE FROM letter_groups g USING unnest($1::bytea[], $2::bytea[]) AS a (mailbox, group_name)
    WHERE g.mailbox = a.mailbox AND g.group_name = a.group_name
        AND NOT EXISTS (SELECT FROM letters l WHERE l.mailbox = a.mailbox AND l.group_name = a.group_name)";

/// Lines of which it is to be written down anew who is first: mailbox and group.
pub(super) type Lines = BTreeSet<(Vec<u8>, Vec<u8>)>;

/// Writes the changes; returns the mailboxes in which a letter may be there earlier than was known.
pub(super) async fn write(connection: &Connection, changes: &[&MailChange]) -> Result<BTreeSet<String>, Fault> {
    let mut lines = Lines::new();
    let mut told = BTreeSet::new();
    let mut posts: Vec<(&Letter, Option<&Once>)> = Vec::new();
    let mut hidden: BTreeMap<(Uuid, u32), (&str, i64)> = BTreeMap::new();
    let mut removed: BTreeMap<(Uuid, u32), &str> = BTreeMap::new();
    for change in changes {
        match change {
            MailChange::Post { letter, once } => posts.push((letter, once.as_ref())),
            MailChange::Remove { mailbox, receipt: Receipt { id, takes } } => {
                removed.insert((*id, *takes), mailbox);
            }
            // The last one counts.
            MailChange::Hide { mailbox, receipt: Receipt { id, takes }, visible_ms } => {
                hidden.insert((*id, *takes), (mailbox, signed(*visible_ms)));
            }
        }
    }
    post(connection, posts, &mut lines, &mut told).await?;
    if !hidden.is_empty() {
        let mailboxes: Vec<&[u8]> = hidden.values().map(|(mailbox, _)| mailbox.as_bytes()).collect();
        let (ids, takes) = receipts(hidden.keys());
        let visible: Vec<i64> = hidden.values().map(|(_, visible_ms)| *visible_ms).collect();
        for row in connection.query(HIDE, &[&mailboxes, &ids, &takes, &visible]).await? {
            told.insert(name(&row, 0));
            note_line(&row, &mut lines);
        }
    }
    if !removed.is_empty() {
        let mailboxes: Vec<&[u8]> = removed.values().map(|mailbox| mailbox.as_bytes()).collect();
        let (ids, takes) = receipts(removed.keys());
        for row in connection.query(REMOVE, &[&mailboxes, &ids, &takes]).await? {
            if note_line(&row, &mut lines) {
                told.insert(name(&row, 0));
            }
        }
    }
    line_up(connection, &lines).await?;
    Ok(told)
}

fn receipts<'a>(keys: impl Iterator<Item = &'a (Uuid, u32)>) -> (Vec<Uuid>, Vec<i64>) {
    keys.map(|(id, takes)| (*id, i64::from(*takes))).unzip()
}

/// Takes note of the line that a row (mailbox, group) is about; `false` when it is about none.
pub(super) fn note_line(row: &tokio_postgres::Row, lines: &mut Lines) -> bool {
    let (mailbox, group): (&[u8], Option<&[u8]>) = (row.get(0), row.get(1));
    let Some(group) = group else { return false };
    lines.insert((mailbox.to_vec(), group.to_vec()));
    true
}

/// Writes down anew who is first in lines and when they go on.
pub(super) async fn line_up(connection: &Connection, lines: &Lines) -> Result<(), Fault> {
    if lines.is_empty() {
        return Ok(());
    }
    let mailboxes: Vec<&[u8]> = lines.iter().map(|(mailbox, _)| &mailbox[..]).collect();
    let groups: Vec<&[u8]> = lines.iter().map(|(_, group)| &group[..]).collect();
    connection.execute(STAND_IN_LINE, &[&mailboxes, &groups]).await?;
    connection.execute(LEAVE_LINE, &[&mailboxes, &groups]).await?;
    Ok(())
}

async fn post(
    connection: &Connection,
    posts: Vec<(&Letter, Option<&Once>)>,
    lines: &mut Lines,
    told: &mut BTreeSet<String>,
) -> Result<(), Fault> {
    if posts.is_empty() {
        return Ok(());
    }
    // Of several with one key the first counts, and of several with one id.
    let mut keys = HashSet::new();
    let mut ids = HashSet::new();
    let is_first = |(letter, once): &(&Letter, Option<&Once>)| {
        once.is_none_or(|once| keys.insert((letter.mailbox.clone(), once.key.clone()))) && ids.insert(letter.id)
    };
    let posts: Vec<_> = posts.into_iter().filter(is_first).collect();
    let numbers: Vec<i64> =
        connection.query(NUMBERS, &[&rows(posts.len())]).await?.iter().map(|row| row.get(0)).collect();
    let keyed: Vec<(&Letter, &Once, i64)> = posts
        .iter()
        .zip(&numbers)
        .filter_map(|((letter, once), number)| once.map(|once| (*letter, once, *number)))
        .collect();
    let mut accepted: Vec<Uuid> = Vec::new();
    if !keyed.is_empty() {
        let mailboxes: Vec<&[u8]> = keyed.iter().map(|(letter, _, _)| letter.mailbox.as_bytes()).collect();
        let keys: Vec<&[u8]> = keyed.iter().map(|(_, once, _)| once.key.as_bytes()).collect();
        let ids: Vec<Uuid> = keyed.iter().map(|(letter, _, _)| letter.id).collect();
        let numbers: Vec<i64> = keyed.iter().map(|(_, _, number)| *number).collect();
        let made: Vec<i64> = keyed.iter().map(|(_, once, _)| signed(once.now_ms)).collect();
        let until: Vec<i64> = keyed.iter().map(|(_, once, _)| signed(once.until_ms)).collect();
        let taken = connection.query(TAKE_KEYS, &[&mailboxes, &keys, &ids, &numbers, &made, &until]).await?;
        accepted = taken.iter().map(|row| row.get(0)).collect();
    }
    let accepted: HashSet<Uuid> = accepted.into_iter().collect();
    let (letters, numbers): (Vec<&Letter>, Vec<i64>) = posts
        .iter()
        .zip(&numbers)
        .filter(|((letter, once), _)| once.is_none() || accepted.contains(&letter.id))
        .map(|((letter, _), number)| (*letter, *number))
        .unzip();
    for letter in &letters {
        told.insert(letter.mailbox.clone());
        if let Some(group) = &letter.group {
            lines.insert((letter.mailbox.as_bytes().to_vec(), group.as_bytes().to_vec()));
        }
    }
    put_in(connection, &letters, &numbers).await
}

async fn put_in(connection: &Connection, letters: &[&Letter], numbers: &[i64]) -> Result<(), Fault> {
    if letters.is_empty() {
        return Ok(());
    }
    let all = || letters.iter();
    let ids: Vec<Uuid> = all().map(|letter| letter.id).collect();
    let mailboxes: Vec<&[u8]> = all().map(|letter| letter.mailbox.as_bytes()).collect();
    let groups: Vec<Option<&[u8]>> = all().map(|letter| letter.group.as_deref().map(str::as_bytes)).collect();
    let sent: Vec<i64> = all().map(|letter| signed(letter.sent_ms)).collect();
    let visible: Vec<i64> = all().map(|letter| signed(letter.visible_ms)).collect();
    let heads: Vec<&[u8]> = all().map(|letter| &letter.head[..]).collect();
    let bodies: Vec<&[u8]> = all().map(|letter| &letter.body[..]).collect();
    let sums: Vec<i64> =
        all().map(|letter| i64::from(checksum::of_letter(letter.id, &letter.head, &letter.body))).collect();
    let parameters: super::connection::Parameters<'_> =
        &[&numbers, &ids, &mailboxes, &groups, &sent, &visible, &heads, &bodies, &sums];
    connection.execute(POST, parameters).await?;
    Ok(())
}
