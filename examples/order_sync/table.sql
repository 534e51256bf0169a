CREATE TABLE orders (
    number integer PRIMARY KEY,
    customer text NOT NULL,
    sku text NOT NULL,
    pieces integer NOT NULL,
    reservation text NOT NULL
)
