"""Run the stages on Apache Spark: the only folder of the library that imports pyspark."""
