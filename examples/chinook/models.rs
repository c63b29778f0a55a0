//! The Chinook tables as structs: what a user writes, and all of it.

use chrono::NaiveDateTime;
use ditto_sync::DittoAdapter;

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "artists", table = "Artist", rename_all = "camelCase")]
pub struct Artist {
    #[ditto(id, column = "ArtistId")]
    pub artist_id: i64,
    #[ditto(column = "Name")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "albums", table = "Album", rename_all = "camelCase")]
pub struct Album {
    #[ditto(id, column = "AlbumId")]
    pub album_id: i64,
    #[ditto(column = "Title")]
    pub title: String,
    #[ditto(column = "ArtistId")]
    pub artist_id: i64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "genres", table = "Genre", rename_all = "camelCase")]
pub struct Genre {
    #[ditto(id, column = "GenreId")]
    pub genre_id: i64,
    #[ditto(column = "Name")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "mediaTypes", table = "MediaType", rename_all = "camelCase")]
pub struct MediaType {
    #[ditto(id, column = "MediaTypeId")]
    pub media_type_id: i64,
    #[ditto(column = "Name")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "tracks", table = "Track", rename_all = "camelCase")]
pub struct Track {
    #[ditto(id, column = "TrackId")]
    pub track_id: i64,
    #[ditto(column = "Name")]
    pub name: String,
    #[ditto(column = "AlbumId")]
    pub album_id: Option<i64>,
    #[ditto(column = "MediaTypeId")]
    pub media_type_id: i64,
    #[ditto(column = "GenreId")]
    pub genre_id: Option<i64>,
    #[ditto(column = "Composer")]
    pub composer: Option<String>,
    #[ditto(column = "Milliseconds")]
    pub milliseconds: i64,
    #[ditto(column = "Bytes")]
    pub bytes: Option<i64>,
    #[ditto(column = "UnitPrice")]
    pub unit_price: f64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "playlists", table = "Playlist", rename_all = "camelCase")]
pub struct Playlist {
    #[ditto(id, column = "PlaylistId")]
    pub playlist_id: i64,
    #[ditto(column = "Name")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "playlistTracks", table = "PlaylistTrack", rename_all = "camelCase")]
pub struct PlaylistTrack {
    #[ditto(id, column = "PlaylistId")]
    pub playlist_id: i64,
    #[ditto(id, column = "TrackId")]
    pub track_id: i64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "employees", table = "Employee", rename_all = "camelCase")]
pub struct Employee {
    #[ditto(id, column = "EmployeeId")]
    pub employee_id: i64,
    #[ditto(column = "LastName")]
    pub last_name: String,
    #[ditto(column = "FirstName")]
    pub first_name: String,
    #[ditto(column = "Title")]
    pub title: Option<String>,
    #[ditto(column = "ReportsTo")]
    pub reports_to: Option<i64>,
    #[ditto(column = "BirthDate")]
    pub birth_date: Option<NaiveDateTime>,
    #[ditto(column = "HireDate")]
    pub hire_date: Option<NaiveDateTime>,
    #[ditto(column = "Address")]
    pub address: Option<String>,
    #[ditto(column = "City")]
    pub city: Option<String>,
    #[ditto(column = "State")]
    pub state: Option<String>,
    #[ditto(column = "Country")]
    pub country: Option<String>,
    #[ditto(column = "PostalCode")]
    pub postal_code: Option<String>,
    #[ditto(column = "Phone")]
    pub phone: Option<String>,
    #[ditto(column = "Fax")]
    pub fax: Option<String>,
    #[ditto(column = "Email")]
    pub email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "customers", table = "Customer", rename_all = "camelCase")]
pub struct Customer {
    #[ditto(id, column = "CustomerId")]
    pub customer_id: i64,
    #[ditto(column = "FirstName")]
    pub first_name: String,
    #[ditto(column = "LastName")]
    pub last_name: String,
    #[ditto(column = "Company")]
    pub company: Option<String>,
    #[ditto(column = "Address")]
    pub address: Option<String>,
    #[ditto(column = "City")]
    pub city: Option<String>,
    #[ditto(column = "State")]
    pub state: Option<String>,
    #[ditto(column = "Country")]
    pub country: Option<String>,
    #[ditto(column = "PostalCode")]
    pub postal_code: Option<String>,
    #[ditto(column = "Phone")]
    pub phone: Option<String>,
    #[ditto(column = "Fax")]
    pub fax: Option<String>,
    #[ditto(column = "Email")]
    pub email: String,
    #[ditto(column = "SupportRepId")]
    pub support_rep_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "invoices", table = "Invoice", rename_all = "camelCase")]
pub struct Invoice {
    #[ditto(id, column = "InvoiceId")]
    pub invoice_id: i64,
    #[ditto(column = "CustomerId")]
    pub customer_id: i64,
    #[ditto(column = "InvoiceDate")]
    pub invoice_date: NaiveDateTime,
    #[ditto(column = "BillingAddress")]
    pub billing_address: Option<String>,
    #[ditto(column = "BillingCity")]
    pub billing_city: Option<String>,
    #[ditto(column = "BillingState")]
    pub billing_state: Option<String>,
    #[ditto(column = "BillingCountry")]
    pub billing_country: Option<String>,
    #[ditto(column = "BillingPostalCode")]
    pub billing_postal_code: Option<String>,
    #[ditto(column = "Total")]
    pub total: f64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "invoiceLines", table = "InvoiceLine", rename_all = "camelCase")]
pub struct InvoiceLine {
    #[ditto(id, column = "InvoiceLineId")]
    pub invoice_line_id: i64,
    #[ditto(column = "InvoiceId")]
    pub invoice_id: i64,
    #[ditto(column = "TrackId")]
    pub track_id: i64,
    #[ditto(column = "UnitPrice")]
    pub unit_price: f64,
    #[ditto(column = "Quantity")]
    pub quantity: i64,
}
