"""Results of many texts as tables: what a row holds, and folders of Parquet files that hold rows. Readable without torch."""
