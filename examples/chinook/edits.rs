//! What the two apps do: plain SQL, nothing of the framework.

use sqlx::SqlitePool;

use crate::Outcome;

const LEFT: &[&str] = &[
    "UPDATE Track SET UnitPrice = 1.29 WHERE GenreId = 3",
    "UPDATE Artist SET Name = 'AC⚡DC' WHERE ArtistId = 1",
    "INSERT INTO Artist VALUES (1000, 'The Merging Replicas')",
    "INSERT INTO Album VALUES (1000, 'Offline First', 1000)",
    "INSERT INTO Track VALUES (10001, 'Last Writer', 1000, 1, 1, NULL, 180000, 4000000, 0.99), \
     (10002, 'Tombstone', 1000, 1, 1, 'R. Eplica', 240000, NULL, 0.99)",
    "DELETE FROM InvoiceLine WHERE InvoiceId = 10",
    "DELETE FROM Invoice WHERE InvoiceId = 10",
    "UPDATE Invoice SET Total = 0.1 + 0.2 WHERE InvoiceId = 1",
];

const RIGHT: &[&str] = &[
    "UPDATE Employee SET ReportsTo = 6 WHERE EmployeeId = 4",
    "UPDATE Track SET Composer = NULL WHERE AlbumId = 5",
    "DELETE FROM PlaylistTrack WHERE PlaylistId = 1 AND TrackId % 7 = 0",
    "INSERT INTO Playlist VALUES (100, 'Closing time')",
    "INSERT INTO PlaylistTrack SELECT 100, TrackId FROM Track WHERE GenreId = 2",
    "INSERT INTO Customer (CustomerId, FirstName, LastName, Email, SupportRepId) VALUES (100, 'Ada', 'Byron', 'ada@example.org', 3)",
    "INSERT INTO Invoice (InvoiceId, CustomerId, InvoiceDate, Total) VALUES (1000, 100, '2026-01-02 03:04:05', 1.98)",
    "INSERT OR REPLACE INTO InvoiceLine VALUES (5000, 1000, 1, 0.99, 1), (5001, 1000, 2, 0.99, 1), (1, 1, 2, 0.99, 2)",
];

/// Edits, inserts and deletes on the left.
pub(crate) async fn on_the_left(pool: &SqlitePool) -> Outcome<()> {
    all(pool, LEFT).await
}

/// Edits, inserts and deletes on the right.
pub(crate) async fn on_the_right(pool: &SqlitePool) -> Outcome<()> {
    all(pool, RIGHT).await
}

async fn all(pool: &SqlitePool, statements: &[&'static str]) -> Outcome<()> {
    for statement in statements {
        sqlx::query(*statement).execute(pool).await?;
    }
    Ok(())
}

/// Both sides change the same customer at the same time, in different fields.
pub(crate) async fn of_one_row(left: &SqlitePool, right: &SqlitePool) -> Outcome<()> {
    let phone =
        sqlx::query("UPDATE Customer SET Phone = '+250 788 000 000' WHERE CustomerId = 1").execute(left);
    let city = sqlx::query("UPDATE Customer SET City = 'Kigali' WHERE CustomerId = 1").execute(right);
    tokio::try_join!(phone, city)?;
    Ok(())
}

/// Both fields have survived.
pub(crate) async fn check_one_row(pool: &SqlitePool) -> Outcome<()> {
    let found: (String, String) = sqlx::query_as("SELECT Phone, City FROM Customer WHERE CustomerId = 1")
        .fetch_one(pool)
        .await?;
    if found == ("+250 788 000 000".into(), "Kigali".into()) {
        Ok(())
    } else {
        Err(format!("one of two concurrent edits was lost: {found:?}").into())
    }
}
