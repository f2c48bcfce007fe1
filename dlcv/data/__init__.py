"""Images with labels: `scenes` are rendered and exact, `samples` come inside packages, `public` sets are downloaded."""
