//! The Chinook tables as structs: what a user writes, and all of it.

use chrono::NaiveDateTime;
use ditto_sync::DittoAdapter;

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "artists", table = "Artist", rename_all = "camelCase")]
pub(crate) struct Artist {
    #[ditto(id, column = "ArtistId")]
    pub(crate) artist_id: i64,
    #[ditto(column = "Name")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "albums", table = "Album", rename_all = "camelCase")]
pub(crate) struct Album {
    #[ditto(id, column = "AlbumId")]
    pub(crate) album_id: i64,
    #[ditto(column = "Title")]
    pub(crate) title: String,
    #[ditto(column = "ArtistId")]
    pub(crate) artist_id: i64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "genres", table = "Genre", rename_all = "camelCase")]
pub(crate) struct Genre {
    #[ditto(id, column = "GenreId")]
    pub(crate) genre_id: i64,
    #[ditto(column = "Name")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "mediaTypes", table = "MediaType", rename_all = "camelCase")]
pub(crate) struct MediaType {
    #[ditto(id, column = "MediaTypeId")]
    pub(crate) media_type_id: i64,
    #[ditto(column = "Name")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "tracks", table = "Track", rename_all = "camelCase")]
pub(crate) struct Track {
    #[ditto(id, column = "TrackId")]
    pub(crate) track_id: i64,
    #[ditto(column = "Name")]
    pub(crate) name: String,
    #[ditto(column = "AlbumId")]
    pub(crate) album_id: Option<i64>,
    #[ditto(column = "MediaTypeId")]
    pub(crate) media_type_id: i64,
    #[ditto(column = "GenreId")]
    pub(crate) genre_id: Option<i64>,
    #[ditto(column = "Composer")]
    pub(crate) composer: Option<String>,
    #[ditto(column = "Milliseconds")]
    pub(crate) milliseconds: i64,
    #[ditto(column = "Bytes")]
    pub(crate) bytes: Option<i64>,
    #[ditto(column = "UnitPrice")]
    pub(crate) unit_price: f64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "playlists", table = "Playlist", rename_all = "camelCase")]
pub(crate) struct Playlist {
    #[ditto(id, column = "PlaylistId")]
    pub(crate) playlist_id: i64,
    #[ditto(column = "Name")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(
    collection = "playlistTracks",
    table = "PlaylistTrack",
    rename_all = "camelCase"
)]
pub(crate) struct PlaylistTrack {
    #[ditto(id, column = "PlaylistId")]
    pub(crate) playlist_id: i64,
    #[ditto(id, column = "TrackId")]
    pub(crate) track_id: i64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "employees", table = "Employee", rename_all = "camelCase")]
pub(crate) struct Employee {
    #[ditto(id, column = "EmployeeId")]
    pub(crate) employee_id: i64,
    #[ditto(column = "LastName")]
    pub(crate) last_name: String,
    #[ditto(column = "FirstName")]
    pub(crate) first_name: String,
    #[ditto(column = "Title")]
    pub(crate) title: Option<String>,
    #[ditto(column = "ReportsTo")]
    pub(crate) reports_to: Option<i64>,
    #[ditto(column = "BirthDate")]
    pub(crate) birth_date: Option<NaiveDateTime>,
    #[ditto(column = "HireDate")]
    pub(crate) hire_date: Option<NaiveDateTime>,
    #[ditto(column = "Address")]
    pub(crate) address: Option<String>,
    #[ditto(column = "City")]
    pub(crate) city: Option<String>,
    #[ditto(column = "State")]
    pub(crate) state: Option<String>,
    #[ditto(column = "Country")]
    pub(crate) country: Option<String>,
    #[ditto(column = "PostalCode")]
    pub(crate) postal_code: Option<String>,
    #[ditto(column = "Phone")]
    pub(crate) phone: Option<String>,
    #[ditto(column = "Fax")]
    pub(crate) fax: Option<String>,
    #[ditto(column = "Email")]
    pub(crate) email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "customers", table = "Customer", rename_all = "camelCase")]
pub(crate) struct Customer {
    #[ditto(id, column = "CustomerId")]
    pub(crate) customer_id: i64,
    #[ditto(column = "FirstName")]
    pub(crate) first_name: String,
    #[ditto(column = "LastName")]
    pub(crate) last_name: String,
    #[ditto(column = "Company")]
    pub(crate) company: Option<String>,
    #[ditto(column = "Address")]
    pub(crate) address: Option<String>,
    #[ditto(column = "City")]
    pub(crate) city: Option<String>,
    #[ditto(column = "State")]
    pub(crate) state: Option<String>,
    #[ditto(column = "Country")]
    pub(crate) country: Option<String>,
    #[ditto(column = "PostalCode")]
    pub(crate) postal_code: Option<String>,
    #[ditto(column = "Phone")]
    pub(crate) phone: Option<String>,
    #[ditto(column = "Fax")]
    pub(crate) fax: Option<String>,
    #[ditto(column = "Email")]
    pub(crate) email: String,
    #[ditto(column = "SupportRepId")]
    pub(crate) support_rep_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "invoices", table = "Invoice", rename_all = "camelCase")]
pub(crate) struct Invoice {
    #[ditto(id, column = "InvoiceId")]
    pub(crate) invoice_id: i64,
    #[ditto(column = "CustomerId")]
    pub(crate) customer_id: i64,
    #[ditto(column = "InvoiceDate")]
    pub(crate) invoice_date: NaiveDateTime,
    #[ditto(column = "BillingAddress")]
    pub(crate) billing_address: Option<String>,
    #[ditto(column = "BillingCity")]
    pub(crate) billing_city: Option<String>,
    #[ditto(column = "BillingState")]
    pub(crate) billing_state: Option<String>,
    #[ditto(column = "BillingCountry")]
    pub(crate) billing_country: Option<String>,
    #[ditto(column = "BillingPostalCode")]
    pub(crate) billing_postal_code: Option<String>,
    #[ditto(column = "Total")]
    pub(crate) total: f64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "invoiceLines", table = "InvoiceLine", rename_all = "camelCase")]
pub(crate) struct InvoiceLine {
    #[ditto(id, column = "InvoiceLineId")]
    pub(crate) invoice_line_id: i64,
    #[ditto(column = "InvoiceId")]
    pub(crate) invoice_id: i64,
    #[ditto(column = "TrackId")]
    pub(crate) track_id: i64,
    #[ditto(column = "UnitPrice")]
    pub(crate) unit_price: f64,
    #[ditto(column = "Quantity")]
    pub(crate) quantity: i64,
}
